//! Which pages of other origins may read a route's answers.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

/// `cors:` of a route, by the Fetch standard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cors {
    pub origins: Origins,
    /// Methods that a preflight is told of; by default the one that it asks for, as the route takes it.
    pub methods: Option<HeaderValue>,
    /// Request headers that a preflight is told of; by default those that it asks for.
    pub headers: Option<HeaderValue>,
    /// Response headers that a page may read; by default the few that Fetch always lets it.
    pub expose: Option<HeaderValue>,
    /// Whether pages may have cookies and client certificates sent along; default no.
    pub credentials: bool,
    /// How long a browser may keep a preflight's answer; default 10 min.
    pub max_age: Duration,
}

/// Whose pages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origins {
    /// `*`: the answers are anybody's.
    Any,
    Listed(Vec<OriginPattern>),
}

/// One origin, or all of a pattern: `https://*.shop.test`, `http://localhost:*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    /// As it is written in the table.
    pub text: Arc<str>,
    /// `None`: the text is all, for instance `null`.
    pub(crate) wild: Option<WildOrigin>,
}

/// An origin of which parts are left open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WildOrigin {
    pub(crate) scheme: Arc<str>,
    pub(crate) host: OriginHost,
    pub(crate) port: OriginPort,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum OriginHost {
    Exact(Arc<str>),
    /// `.shop.test`: one label or more before it.
    Below(Arc<str>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum OriginPort {
    /// `None`: the scheme's own, which browsers leave out.
    Exact(Option<Arc<str>>),
    Any,
}

impl Origins {
    /// Whether an `Origin` is one of these. Browsers write schemes and hosts in lower case.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.takes(origin)),
        }
    }
}

impl OriginPattern {
    fn takes(&self, origin: &str) -> bool {
        let Some(wild) = &self.wild else {
            return origin == &*self.text;
        };
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let (host, port) = split_port(authority);
        let host_fits = match &wild.host {
            OriginHost::Exact(wanted) => host == &**wanted,
            OriginHost::Below(suffix) => host.strip_suffix(&**suffix).is_some_and(is_labels),
        };
        let port_fits = match &wild.port {
            OriginPort::Exact(wanted) => port == wanted.as_deref(),
            OriginPort::Any => port.is_none_or(is_port),
        };
        scheme == &*wild.scheme && host_fits && port_fits
    }
}

/// Host and port of an authority; the colons of an IPv6 address are its own.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

pub(crate) fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// What may stand for `*`: nothing that would end the host.
pub(crate) fn is_labels(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
        })
}
