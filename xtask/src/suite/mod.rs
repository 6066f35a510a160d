//! `cargo xtask suite NAME`: suites that others have written, run against our gateway.
//!
//! ```text
//! options → tools there? (apt, a venv, npm) → build → scene: gateway and backend on free ports → suite → verdict
//! ```
//!
//! - [`slow`]: clients that take their time (`slowhttptest`)
//! - [`tls`]: Mozilla's intermediate configuration (`sslyze`)
//! - [`hygiene`]: messages byte by byte, on both sides of the gateway (`varnishtest`)
//! - [`cache`]: RFC 9111 (`http-cache-tests`)
//! - [`websocket`]: the Autobahn cases (`kosoku`), by which the gateway must not make a difference
//!
//! What a tool wrote stays in `target/suite/NAME/report`. A tool that is absent and can't be installed
//! skips its suite by name, or fails it with `BANYAN_REQUIRE_ENGINES=1`.

mod options;
mod run;
mod scene;
mod backend;
mod slow;
mod tls;
mod hygiene;
mod cache;
mod websocket;

pub(crate) use options::Options;
pub(crate) use run::run;
