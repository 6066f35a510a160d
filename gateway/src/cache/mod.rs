//! Answers kept for the next one who asks: a route's `cache:`, a shared cache by RFC 9111.
//!
//! ```text
//! asked → store (is there one?) → judge (may it be used?) → serve
//!                   ↓ no                  ↓ no
//!             flights (who asks the upstream?) → upstream → kept → tee → store
//! ```
//!
//! [`asked`] is a request as the cache sees it, [`kept`] an answer; [`directives`] reads `Cache-Control`.
//! What may be kept and how long it is fresh is `http-cache-semantics`' to say, within the bounds that
//! [`kept`] sets it. [`store`] alone knows where answers are. [`flights`] lets one of many go to the upstream,
//! [`tee`] collects its answer while it passes by. The order of all that is `pipeline/cached.rs`.
//!
//! **Architecture invariant:** a body is kept only when its end was seen, and nobody waits for it to be kept
//! but those who asked for the same.

mod asked;
mod directives;
mod flights;
mod kept;
mod serve;
mod store;
mod tee;

pub(crate) use asked::{Asked, Caching, Request, look, plain_authority};
pub(crate) use flights::{Join, Landing, Leader, landed};
pub(crate) use kept::{Kept, Usable};
pub(crate) use serve::{Outcome, is_not_modified, say, say_hit, serve};
pub(crate) use store::{Cache, Place, Purge, Usage};
pub(crate) use tee::Tee;
