//! The request that is asked about.

use std::net::{IpAddr, Ipv4Addr};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde::{Deserialize, Serialize};

/// What a person or a program says of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) method: String,
    /// `https://shop.test/orders?x=1`, or a path alone.
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    /// Loopback by default.
    #[serde(default)]
    pub(crate) client_ip: Option<IpAddr>,
}

/// The same, read.
#[derive(Debug)]
pub(crate) struct Question {
    request: Request<()>,
    pub(super) client: IpAddr,
}

/// What is wrong with a question.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuestionError {
    #[error("`{0}` is no method: write GET, POST, …")]
    Method(String),
    #[error("`{0}` is no address: write https://shop.test/orders, or a path such as /orders")]
    Url(String),
    #[error("`{0}` is no header: write `-H 'Name: value'`")]
    Header(String),
}

/// Asks for the explanation of a request instead of its answer, by clients who may.
pub(crate) const X_GATEWAY_EXPLAIN: HeaderName = HeaderName::from_static("x-gateway-explain");

/// The host of a question that names none.
const DEFAULT_HOST: &str = "localhost";

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// [`QuestionError`] names the part that cannot be read.
    pub(crate) fn read(words: &Words) -> Result<Self, QuestionError> {
        let url = || QuestionError::Url(words.url.clone());
        let method = Method::from_bytes(words.method.as_bytes())
            .map_err(|_| QuestionError::Method(words.method.clone()))?;
        let (authority, target) = split(&words.url).ok_or_else(url)?;
        // What the request line could not carry is spelled as clients spell it.
        let target = target.replace(' ', "%20");
        let target = PathAndQuery::try_from(target).map_err(|_| url())?;
        let mut headers = HeaderMap::new();
        for (name, value) in &words.headers {
            let wrong = || QuestionError::Header(format!("{name}: {value}"));
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
            headers.append(name, value);
        }
        if let Some(authority) = authority {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| url())?;
            headers.insert(HOST, host);
        } else if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_static(DEFAULT_HOST));
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        Ok(Self {
            request,
            client: words
                .client_ip
                .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.to_canonical()),
        })
    }

    /// The question that a request asks about itself.
    pub(crate) fn about<B>(request: &Request<B>, client: IpAddr) -> Self {
        let mut itself = Request::new(());
        *itself.method_mut() = request.method().clone();
        *itself.uri_mut() = request.uri().clone();
        *itself.version_mut() = request.version();
        *itself.headers_mut() = request.headers().clone();
        itself.headers_mut().remove(X_GATEWAY_EXPLAIN);
        Self {
            request: itself,
            client,
        }
    }

    pub(super) fn request(&self) -> &Request<()> {
        &self.request
    }
}

/// The host of an address, if it has one, and what a request line would say.
fn split(url: &str) -> Option<(Option<Authority>, &str)> {
    if url.starts_with('/') {
        return Some((None, url));
    }
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    let target = if target.is_empty() { "/" } else { target };
    Some((Some(authority.parse().ok()?), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, headers: &[(&str, &str)]) -> Result<Question, QuestionError> {
        let headers = headers.iter();
        Question::read(&Words {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            client_ip: None,
        })
    }

    #[test]
    fn a_url_is_its_host_and_its_target() {
        for (url, host, target) in [
            ("/orders?x=1", "localhost", "/orders?x=1"),
            ("https://shop.test/orders", "shop.test", "/orders"),
            ("http://shop.test:8080", "shop.test:8080", "/"),
            ("https://[::1]:8443/a b", "[::1]:8443", "/a%20b"),
        ] {
            let question = read(url, &[]).expect(url);
            assert_eq!(question.request.headers()[HOST], host, "{url}");
            assert_eq!(question.request.uri().to_string(), target, "{url}");
        }
        let question = read("/a", &[("Host", "shop.test"), ("x-a", " 1")]).expect("a question");
        assert_eq!(question.request.headers()[HOST], "shop.test");
        assert_eq!(question.request.headers()["x-a"], "1");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for url in ["orders", "ftp://a/b", "https://", "https://a b/c"] {
            let error = read(url, &[]).expect_err(url);
            assert!(error.to_string().contains(url), "{error}");
        }
        let error = read("/", &[("a b", "1")]).expect_err("no header");
        assert!(error.to_string().contains("a b: 1"), "{error}");
    }
}
