//! What all pages share: head, navigation, foot.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::visitor::Visitor;

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    Catalogue,
    Elsewhere,
}

/// Puts a page together.
pub(super) fn page(
    title: &str,
    place: Place,
    visitor: Option<&Visitor>,
    main: &Markup,
) -> Response {
    let current = |here: Place| (place == here).then_some("page");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Banyan shop" }
                link rel="stylesheet" href="/web/assets/site.css";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.bar {
                    a.brand href="/" { span.leaf aria-hidden="true" { "❧" } "Banyan shop" }
                    nav aria-label="Main" {
                        a href="/" aria-current=[current(Place::Home)] { "Portal" }
                        a href="/catalogue" aria-current=[current(Place::Catalogue)] { "Catalogue" }
                    }
                    @if let Some(visitor) = visitor { (sign_in_or_out(visitor)) }
                }
                main #main { (main) }
                footer { p { "One address a page, whoever serves it." } }
            }
        }
    };
    let headers = [(header::CACHE_CONTROL, "private, no-cache")];
    (headers, Html(markup.into_string())).into_response()
}

fn sign_in_or_out(visitor: &Visitor) -> Markup {
    html! {
        div.who {
            @if let Some(session) = &visitor.session {
                span { (session.name) }
                form method="post" action="/web/logout" {
                    input type="hidden" name="form_token" value=(session.form_token);
                    button type="submit" { "Sign out" }
                }
            } @else if visitor.caller.is_none() {
                a.button href="/web/login" { "Sign in" }
            }
        }
    }
}

/// A page that says one thing.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let main = html! {
        section.message {
            h1 { (title) }
            p { (text) }
            p { a href="/" { "Back to the portal" } }
        }
    };
    (status, page(title, Place::Elsewhere, None, &main)).into_response()
}

/// For what only a known person may see: asks to sign in, and comes back here.
pub(super) fn sign_in(return_to: &str) -> Response {
    let query: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    let main = html! {
        section.message {
            h1 { "Please sign in" }
            p { "This page shows your own data." }
            p { a.button href={ "/web/login?return_to=" (query) } { "Sign in" } }
        }
    };
    let headers = [(header::WWW_AUTHENTICATE, "Bearer")];
    (
        StatusCode::UNAUTHORIZED,
        headers,
        page("Sign in", Place::Elsewhere, None, &main),
    )
        .into_response()
}
