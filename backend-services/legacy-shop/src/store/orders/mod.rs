//! Orders: [`read`] and [`write`]. Placing one and cancelling one are local transactions over orders
//! and stock, which is what a monolith is good at.

mod read;
mod write;

pub(crate) use write::{CancelFailure, PlaceError};
pub(super) use write::{insert_order, insert_stock};
