//! Failures as pages: what people are shown where programs get a problem document.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    LAST_MODIFIED,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::edge::Exchange;
use crate::respond::accept::prefers_page;
use crate::respond::{Failure, ResponseBody, refuse, vary};

/// What is shown where the table has no page. It needs nothing from anywhere.
const BUILT_IN: &str = include_str!("page.html");

/// Nothing on it is fetched or run, but for its own style.
const BUILT_IN_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

/// Headers of an upstream's answer that are said of the body that it had.
const OF_THE_BODY: [HeaderName; 12] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    CONTENT_SECURITY_POLICY,
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Turns a failure into the answer that this client can read: a page, or a problem document.
pub(crate) fn refuse_readably(failure: &Failure, exchange: &Exchange) -> Response<ResponseBody> {
    let mut response = refuse(failure);
    if failure.is_in_others_words() {
        return response;
    }
    vary::add(response.headers_mut(), "Accept");
    if prefers_page(exchange.accept.as_ref()) {
        let is_maintenance = matches!(failure, Failure::Maintenance { .. });
        let detail = failure.detail();
        return show(response, &detail, is_maintenance, exchange);
    }
    response
}

/// Puts a page in the place of an upstream's own 5xx, for people and where the table says so. Its status and
/// its other headers stay.
pub(crate) fn intercept(
    mut response: Response<ResponseBody>,
    exchange: &Exchange,
) -> Response<ResponseBody> {
    let is_its_own = exchange.upstream.is_some() && exchange.failure.is_none();
    if !response.status().is_server_error() || !is_its_own || !intercepts(exchange) {
        return response;
    }
    vary::add(response.headers_mut(), "Accept");
    if !prefers_page(exchange.accept.as_ref()) {
        return response;
    }
    let headers = response.headers_mut();
    for name in &OF_THE_BODY {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let detail = "the service could not answer this request";
    show(response, detail, false, exchange)
}

/// As the row says, or else the whole table.
fn intercepts(exchange: &Exchange) -> bool {
    let table = &exchange.snapshot.table;
    let route = exchange.route.map(|id| table.route(id));
    let own = route.and_then(|route| route.policy.error_pages.as_ref());
    let own = own.and_then(|pages| pages.intercept);
    let of_all = || table.error_pages.as_ref()?.intercept;
    own.or_else(of_all).unwrap_or(false)
}

fn show(
    mut response: Response<ResponseBody>,
    detail: &str,
    is_maintenance: bool,
    exchange: &Exchange,
) -> Response<ResponseBody> {
    let status = response.status();
    let words = Words {
        status,
        detail,
        request_id: exchange.request_id.to_str().unwrap_or_default(),
    };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, html);
    let page = match page(exchange, status, is_maintenance) {
        Some(page) => page,
        None => {
            headers.insert(CONTENT_SECURITY_POLICY, BUILT_IN_POLICY);
            BUILT_IN
        }
    };
    let body = ResponseBody::full(words.fill(page));
    response.map(|_| body)
}

/// The row's own page, or else the whole table's.
fn page(exchange: &Exchange, status: StatusCode, is_maintenance: bool) -> Option<&str> {
    let table = &exchange.snapshot.table;
    let route = exchange.route.map(|id| table.route(id));
    let own = route.and_then(|route| route.policy.error_pages.as_ref());
    let mut all = own.into_iter().chain(&table.error_pages);
    let file = all.find_map(|pages| pages.find(status, is_maintenance))?;
    std::str::from_utf8(&table.file(file).content).ok()
}

/// What the placeholders of a page stand for.
#[derive(Debug, Clone, Copy)]
struct Words<'w> {
    status: StatusCode,
    detail: &'w str,
    request_id: &'w str,
}

impl Words<'_> {
    /// The word behind a placeholder; `None`: there is no such placeholder.
    fn word(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(match name {
            "status" => self.status.as_str().into(),
            "title" => self.status.canonical_reason().unwrap_or("Error").into(),
            "detail" => self.detail.into(),
            "request_id" => self.request_id.into(),
            _ => return None,
        })
    }

    fn fill(&self, page: &str) -> Bytes {
        let mut html = String::with_capacity(page.len() + 128);
        let mut rest = page;
        while let Some((before, name, behind)) = placeholder(rest) {
            html.push_str(before);
            escape(&mut html, &self.word(name).unwrap_or_default());
            rest = behind;
        }
        html.push_str(rest);
        html.into()
    }
}

/// The first `{{ name }}`, with what stands before and behind it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = text.split_once("{{")?;
    let (name, behind) = after.split_once("}}")?;
    Some((before, name.trim(), behind))
}

/// What is wrong with a page, and how to mend that.
pub(crate) fn check(page: &[u8]) -> Result<(), (String, String)> {
    let mend =
        "write `{{ status }}`, `{{ title }}`, `{{ detail }}` or `{{ request_id }}`".to_owned();
    let Ok(mut rest) = std::str::from_utf8(page) else {
        return Err(("is not UTF-8".to_owned(), "save it as UTF-8".to_owned()));
    };
    let words = Words {
        status: StatusCode::NOT_FOUND,
        detail: "",
        request_id: "",
    };
    while let Some((_, name, behind)) = placeholder(rest) {
        if words.word(name).is_none() {
            return Err((format!("`{{{{ {name} }}}}` stands for nothing"), mend));
        }
        rest = behind;
    }
    if rest.contains("{{") {
        return Err(("a `{{` is not closed".to_owned(), mend));
    }
    Ok(())
}

/// Text as HTML shows it, between tags and in quoted attributes.
fn escape(html: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            char => html.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> = Words {
        status: StatusCode::NOT_FOUND,
        detail: "a <b> & \"c\" 'd'",
        request_id: "0123",
    };

    #[track_caller]
    fn filled(page: &str) -> String {
        String::from_utf8(WORDS.fill(page).to_vec()).unwrap()
    }

    #[test]
    fn placeholders_are_filled_and_escaped() {
        assert_eq!(
            filled("<p title='{{detail}}'>{{ status }} {{title}}, {{  request_id}}</p>"),
            "<p title='a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;'>404 Not Found, 0123</p>"
        );
        assert_eq!(filled("body { margin: 0 } {{"), "body { margin: 0 } {{");
    }

    #[test]
    fn the_built_in_page_is_whole_and_fetches_nothing() {
        assert!(check(BUILT_IN.as_bytes()).is_ok());
        let page = filled(BUILT_IN);
        assert!(!page.contains("{{"));
        assert!(page.contains("<h1>404 Not Found</h1>"));
        for from_elsewhere in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script",
        ] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
    }
}
