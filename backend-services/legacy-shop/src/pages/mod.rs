//! The old HTML pages: [`handlers`] read from the store, [`markup`] writes pages. maud escapes all that
//! is not markup.

mod handlers;
mod markup;

pub(crate) use handlers::routes;
