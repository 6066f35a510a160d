//! The screens, a file each.

mod home;
mod order;

pub(crate) use home::home;
pub(crate) use order::order;
