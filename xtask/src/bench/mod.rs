//! `cargo xtask bench NAME`: what the gateway costs, beside what others cost.
//!
//! ```text
//! options → tools there? (apt) → release build → lab: upstream, contestants on free ports
//!   → rounds, each contestant in turn → medians and ratios → table, verdict, docs/performance.md
//! ```
//!
//! What counts is CPU time a request, user and system, of a proxy's whole process tree, as a ratio to
//! nginx in the same run: machines differ and drift, ratios hardly. Nothing here is a test.
//!
//! - [`bare`]: one route, one upstream
//! - [`edge`]: verified tokens, limits a subject, two endpoints
//! - [`routes`]: a hundred thousand routes beside ten
//! - [`reload`]: a hundred reloads under full load
//! - [`mirror`]: every request copied to a mirror that is well, slow or hangs
//! - [`idle`]: ten thousand connections that do nothing
//! - [`tls`], [`h2`]: the edge as browsers use it
//! - [`start`]: from nothing to ready
//! - [`instructions`]: where the instructions of a request go (callgrind)
//!
//! [`training`] puts the same loads on a gateway that is built to learn from them; see `dist`.

mod options;
mod run;
mod lab;
mod server;
mod usage;
mod wrk;
mod h2load;
mod paced;
mod stub;
mod median;
mod rounds;
mod report;
mod peers;
mod bare;
mod edge;
mod routes;
mod reload;
mod mirror;
mod idle;
mod tls;
mod h2;
mod start;
mod instructions;
mod training;

pub(crate) use options::Options;
pub(crate) use run::run;
pub(crate) use training::train;
