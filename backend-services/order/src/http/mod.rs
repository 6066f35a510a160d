//! The REST interface: [`routes`] take requests apart, [`answer`] is the only place where an
//! outcome or an error becomes a status.

mod routes;
pub(crate) mod answer;

pub(crate) use routes::routes;
