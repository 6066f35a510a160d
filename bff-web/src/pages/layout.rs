//! What all pages share: head, navigation, foot.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::STYLE_URL;
use super::icons;
use crate::visitor::Visitor;

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Portal,
    Catalogue,
    Orders,
    Elsewhere,
}

/// A page, without what all pages share.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) place: Place,
    pub(super) main: Markup,
    /// Every part of it is there.
    pub(super) complete: bool,
}

impl Page {
    /// Puts the page together for whoever looks at it.
    pub(super) fn shown_to(self, visitor: Option<&Visitor>) -> Response {
        // A page with gaps is nothing to keep.
        let caching = if self.complete {
            "private, no-cache"
        } else {
            "no-store"
        };
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Banyan shop" }
                    link rel="stylesheet" href=(*STYLE_URL);
                    link rel="icon" type="image/svg+xml" href="/web/assets/leaf.svg";
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.bar { div.inner { (self.navigation(visitor)) } }
                    main.inner #main { (self.main) }
                    footer { p.inner { "Every page keeps its address, whoever serves it." } }
                }
            }
        };
        let headers = [(header::CACHE_CONTROL, HeaderValue::from_static(caching))];
        (headers, Html(markup.into_string())).into_response()
    }

    fn navigation(&self, visitor: Option<&Visitor>) -> Markup {
        let current = |here: Place| (self.place == here).then_some("page");
        html! {
            a.brand href="/" { (icons::leaf()) span { "Banyan shop" } }
            nav aria-label="Main" {
                a href="/" aria-current=[current(Place::Portal)] { "Portal" }
                a href="/catalogue" aria-current=[current(Place::Catalogue)] { "Catalogue" }
                a href="/orders" aria-current=[current(Place::Orders)] { "Orders" }
            }
            @if let Some(visitor) = visitor { (sign_in_or_out(visitor)) }
        }
    }
}

fn sign_in_or_out(visitor: &Visitor) -> Markup {
    html! {
        @if let Some(session) = &visitor.session {
            div.who {
                a href="/customers" { (session.name) }
                form method="post" action="/web/logout" {
                    input type="hidden" name="form_token" value=(session.form_token);
                    button.quiet type="submit" { "Sign out" }
                }
            }
        } @else if visitor.caller.is_none() {
            div.who { a.button href="/web/login" { "Sign in" } }
        }
    }
}
