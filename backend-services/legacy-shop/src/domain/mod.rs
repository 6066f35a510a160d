//! What the shop deals in. Pure.

mod customer;
mod product;
mod order;
mod client_key;

pub(crate) use client_key::{ClientKey, KeyError};
pub(crate) use customer::{Change, ChangeError, Customer, Field, Violation};
pub(crate) use order::{
    CancelError, Line, Order, PricingError, Request, RequestError, RequestLine, Status, price,
};
pub(crate) use product::{Filter, Product, search_text};
