//! Pages, rendered here: they need no JavaScript.
//!
//! [`layout`] is what all pages share, [`failure`] what stands where a page can't, [`parts`] and [`icons`]
//! are the pieces pages are made of; then there is a file for each kind of page. [`assets`] is what pages
//! load, and [`headers`] tells browsers what they may do.

mod layout;
mod failure;
mod parts;
mod icons;
mod portal;
mod catalogue;
mod customer;
mod orders;
mod assets;
mod headers;

pub(crate) use assets::{leaf, stylesheet};
pub(crate) use catalogue::{catalogue, product};
pub(crate) use customer::customer;
pub(crate) use failure::message;
pub(crate) use headers::{Hardening, harden};
pub(crate) use orders::{order, orders};
pub(crate) use portal::portal;
