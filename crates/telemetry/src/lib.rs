//! What every process of Banyan says about itself: structured logs ([`log`]) and W3C trace context
//! ([`trace`]).

pub mod log;
pub mod trace;
