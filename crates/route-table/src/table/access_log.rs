//! What the access log says besides what it always says.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

/// Rules of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessLog {
    /// Parts of requests that are logged with their values, so that `plan` can replay what routes ask for.
    pub match_fields: Vec<MatchField>,
}

/// A part of a request that routes may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MatchField {
    Header(HeaderName),
    Query(Arc<str>),
    Cookie(Arc<str>),
}

/// As it is written in the table and in the log: `header:x-beta`, `query:version`, `cookie:group`.
impl fmt::Display for MatchField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}
