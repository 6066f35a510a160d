//! Pages, rendered here: they need no JavaScript.
//!
//! [`layout`] is what all pages share, [`parts`] are the pieces they are made of, then there is a file for
//! each kind of page. [`headers`] tells browsers what these pages may do.

mod catalogue;
mod headers;
mod layout;
mod orders;
mod own;
mod parts;
mod portal;

use axum::http::header;
use axum::response::IntoResponse;

pub(crate) use catalogue::{catalogue, product};
pub(crate) use headers::harden;
pub(crate) use layout::message;
pub(crate) use orders::{order, orders};
pub(crate) use own::customer;
pub(crate) use portal::portal;

/// The one stylesheet.
pub(crate) async fn stylesheet() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, include_str!("site.css"))
}
