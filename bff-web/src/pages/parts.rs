//! Pieces that pages are made of.

use axum::response::{IntoResponse, Response};
use composition::{Composed, Member as _};
use maud::{Markup, html};
use problem::Problem;
use serde_json::Value;

use super::layout::message;

/// An amount as people read it: `{"cents":450,"currency":"EUR"}` is `4.50 EUR`.
pub(super) fn amount(money: &Value) -> Markup {
    let cents = money.member("cents").as_i64().unwrap_or(0);
    let sign = if cents < 0 { "−" } else { "" };
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let currency = money.member("currency").as_str().unwrap_or("");
    html! { span.amount { (sign) (whole) "." (format!("{rest:02}")) " " (currency) } }
}

/// The text of a member.
pub(super) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.member(member).as_str().unwrap_or("")
}

/// The items of a list answer, or of a bare list.
pub(super) fn items(list: &Value) -> &[Value] {
    list.member("items")
        .as_array()
        .or_else(|| list.as_array())
        .map_or(&[], Vec::as_slice)
}

/// What stands where a part is missing.
pub(super) fn missing(what: &str) -> Markup {
    html! { p.missing role="status" { (what) " cannot be shown at the moment. Please try again in a minute." } }
}

/// A list of products, each with its page.
pub(super) fn products(list: &Value) -> Markup {
    html! {
        @if items(list).is_empty() {
            p { "Nothing found." }
        } @else {
            ul.products {
                @for product in items(list) {
                    @let sku = text(product, "sku");
                    li.card {
                        a href={ "/products/" (sku) } { (text(product, "name")) }
                        p.muted { (text(product, "description")) }
                        p { (amount(product.member("price"))) " " span.tag { (text(product, "category")) } }
                    }
                }
            }
        }
    }
}

/// The page for an answer that could not be put together.
pub(super) fn failed(problem: &Problem) -> Response {
    let status = problem.status();
    if status == axum::http::StatusCode::NOT_FOUND {
        return message(status, "Not found", "There is nothing at this address.");
    }
    if status.is_client_error() {
        return message(status, "Not possible", problem.detail());
    }
    message(
        status,
        "Not available",
        "This cannot be shown at the moment. Please try again.",
    )
}

/// The page of a composition, or of its failure.
pub(super) fn rendered(
    outcome: Result<Composed, Problem>,
    render: impl FnOnce(&Composed) -> Response,
) -> Response {
    match outcome {
        Ok(composed) => {
            let mut response = render(&composed);
            if !composed.is_complete() {
                let no_store = axum::http::HeaderValue::from_static("no-store");
                response
                    .headers_mut()
                    .insert(axum::http::header::CACHE_CONTROL, no_store);
            }
            response
        }
        Err(problem) => failed(&problem).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_written_with_two_digits_after_the_point() {
        for (cents, shown) in [(450, "4.50 EUR"), (5, "0.05 EUR"), (-1201, "−12.01 EUR")] {
            let money = json!({ "cents": cents, "currency": "EUR" });
            assert!(amount(&money).into_string().contains(shown), "{cents}");
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_escaped() {
        let evil =
            json!([{ "sku": "\"><script>", "name": "<b>", "description": "&", "price": {} }]);
        let page = products(&evil).into_string();
        assert!(
            !page.contains("<script>") && !page.contains("<b>"),
            "{page}"
        );
    }
}
