//! Whether a failure is read by a person or by a program.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::respond::quality::weighted_in;

/// Keeps what a client would like to get until it is known whether anybody asks.
pub(crate) fn of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut fields = headers.get_all(ACCEPT).iter();
    let first = fields.next()?;
    if fields.next().is_none() {
        return Some(first.clone());
    }
    let all: Vec<_> = headers
        .get_all(ACCEPT)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

/// Whether a client likes HTML better than a problem document. Browsers name HTML; `*/*` is a program's
/// way of saying nothing.
pub(crate) fn prefers_page(accept: Option<&HeaderValue>) -> bool {
    let Some(text) = accept.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let html = wish(text, &["text/html", "application/xhtml+xml"], "text/*");
    let problem = wish(
        text,
        &["application/problem+json", "application/json"],
        "application/*",
    );
    html.0 > 0 && html > problem
}

/// The weight of what is named most exactly, and how exactly that is.
fn wish(text: &str, names: &[&str], class: &str) -> (u16, u8) {
    let best = |wanted: &dyn Fn(&str) -> bool| {
        let members = weighted_in(text).filter(|(named, _)| wanted(named));
        members.map(|(_, weight)| weight).max()
    };
    let named = best(&|found| names.iter().any(|name| found.eq_ignore_ascii_case(name)));
    let of_class = || best(&|found| found.eq_ignore_ascii_case(class));
    let any = || best(&|found| found == "*/*");
    named
        .map(|weight| (weight, 2))
        .or_else(|| of_class().map(|weight| (weight, 1)))
        .or_else(|| any().map(|weight| (weight, 0)))
        .unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_html_gets_a_page_and_everybody_else_a_document() {
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
                      image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        for (accepted, page) in [
            (firefox, true),
            (chrome, true),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("text/*", true),
            ("text/html, */*", true),
            ("text/html;q=0.5, application/json;q=0.4", true),
            ("application/xhtml+xml", true),
            ("*/*", false),
            ("", false),
            ("application/json, text/plain, */*", false),
            ("application/problem+json, text/html;q=0.9", false),
            ("text/html, application/json", false),
            ("text/html;q=0, */*", false),
            ("text/html;q=0", false),
            ("text/plain", false),
            ("image/*", false),
        ] {
            let value = HeaderValue::from_static(accepted);
            assert_eq!(prefers_page(Some(&value)), page, "{accepted}");
        }
        assert!(!prefers_page(None));
    }

    #[test]
    fn several_fields_are_one_list() {
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("text/html;q=0.1")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let all = of(&headers).unwrap();
        assert_eq!(all, "text/html;q=0.1, application/json");
        assert!(!prefers_page(Some(&all)));
    }
}
