//! One spelling for every path.
//!
//! Two servers that read one path differently are how access rules are walked around: the gateway
//! checks `/public/..%2fadmin`, the service serves `/admin`. So a path is brought into one canonical
//! form before anything looks at it, and the *same* bytes are matched, authorised and forwarded. What
//! has no single reading is refused with `400`, never guessed.
//!
//! Neighbours: [`crate::edge`] checks the rest of the request's head; [`crate::routing`] sees canonical
//! paths only. The query is not touched.

mod path;
mod refused;

#[cfg(test)]
mod spellings;

pub(crate) use path::{CanonicalPath, canonicalize};
