//! The one database: [`Store`] and, a file each, what it does with customers, products and orders.

mod database;
mod seed;
mod customers;
mod products;
mod orders;

pub(crate) use customers::UpdateError;
pub(crate) use database::Store;
pub(crate) use orders::{CancelFailure, PlaceError};
