//! The old REST-like URIs: [`routes`] take requests apart, [`answer`] is where an outcome or an error
//! becomes a status. The shapes are those that the services have taken over; whatever else is asked
//! for below `/api` is a plain 404.

mod routes;
mod answer;

pub(crate) use routes::routes;
