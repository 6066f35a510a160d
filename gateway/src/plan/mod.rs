//! What an edit of the table would do to recorded traffic.
//!
//! [`replay`] reads an access log in pieces on all cores; [`line`] is one request of it. Each is looked up in
//! the old and in the new table by the search that serves requests; where the log does not know all of it,
//! in every way it may have been ([`worlds`]). What a way means for a request does not depend on the
//! request: [`tally`] counts ways, and [`change`] says at the end what each of them comes to. [`report`] is
//! the answer.

mod auth;
mod change;
mod line;
mod replay;
mod report;
mod tally;
mod worlds;

#[cfg(test)]
mod oracle;

pub(crate) use auth::Asked;
pub(crate) use replay::{Progress, replay};
pub(crate) use report::Report;
