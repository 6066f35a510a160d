//! The issuer: the public URL of this provider, and the endpoints below it.
//!
//! The provider stands behind a gateway that strips a path prefix, so what a browser is sent to
//! (a form's action, a cookie's path) follows from the issuer and never from the request.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The provider's public base URL, without a slash at its end.
#[derive(Debug, Clone)]
pub struct Issuer {
    text: String,
    url: Url,
}

/// Says why a URL cannot be an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` cannot be an issuer: {reason}")]
pub struct IssuerError {
    value: String,
    reason: &'static str,
}

impl Issuer {
    /// The issuer as it stands in tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The public URL of an endpoint such as `/token`.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The path that a page of ours uses to reach one of our endpoints.
    pub(crate) fn path_of(&self, path: &str) -> String {
        format!("{}{path}", self.url.path().trim_end_matches('/'))
    }

    /// The path below which the browser sends our cookie back.
    pub(crate) fn cookie_path(&self) -> &str {
        match self.url.path().trim_end_matches('/') {
            "" => "/",
            path => path,
        }
    }

    /// Scheme, host and port, as a browser writes them into `Origin`.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether browsers reach us over TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| IssuerError {
            value: text.to_owned(),
            reason,
        };
        let url = Url::parse(text).map_err(|_| error("it is not an absolute URL"))?;
        let loopback = match url.host() {
            Some(url::Host::Domain(domain)) => domain == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            return Err(error("it must be https (or http on a loopback address)"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(error("it must have neither query nor fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("it must not carry a user name or a password"));
        }
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            url,
        })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn issuer(text: &str) -> Issuer {
        text.parse().unwrap()
    }

    #[test]
    fn endpoints_forms_and_cookies_follow_the_issuers_path() {
        let issuer = issuer("https://localhost:8443/identity/");
        assert_eq!(issuer.as_str(), "https://localhost:8443/identity");
        assert_eq!(
            issuer.endpoint("/token"),
            "https://localhost:8443/identity/token"
        );
        assert_eq!(issuer.path_of("/login"), "/identity/login");
        assert_eq!(issuer.cookie_path(), "/identity");
        assert_eq!(issuer.origin(), "https://localhost:8443");
    }

    #[test]
    fn an_issuer_without_a_path_serves_at_the_root() {
        let issuer = issuer("http://127.0.0.1:7003");
        assert_eq!(issuer.path_of("/login"), "/login");
        assert_eq!(issuer.cookie_path(), "/");
        assert!(!issuer.is_https());
    }

    #[test]
    fn what_cannot_be_an_issuer_is_refused_with_the_reason() {
        for (text, reason) in [
            ("identity", "absolute"),
            ("http://shop.example", "https"),
            ("https://shop.example/?x=1", "query"),
            ("https://shop.example/#x", "fragment"),
            ("https://user@shop.example", "user name"),
            ("ftp://localhost", "https"),
        ] {
            let error = text.parse::<Issuer>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
