//! What `gateway check` says of a table: what is wrong with it ([`route_table::TableErrors`]), what is
//! seldom meant ([`route_table::lint`]), and what it no longer asks of callers ([`auth_lost`]).

mod auth_lost;
mod report;

pub(crate) use auth_lost::auth_lost;
pub(crate) use report::{Report, Severity};
