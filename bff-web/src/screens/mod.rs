//! Composed screens as JSON, a file each.

mod home;

pub(crate) use home::home;
