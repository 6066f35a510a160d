//! `/`: the portal. Its menu follows the strangler's route table, entry by entry.

use axum::extract::State;
use axum::response::Response;
use composition::{Budget, Composition, Part, PartState, Policy};
use maud::{Markup, html};
use serde_json::Value;

use super::layout::{Place, page};
use super::parts::{missing, products, rendered};
use crate::menu::{Capability, Known};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

pub(crate) async fn portal(visitor: Visitor, State(app): State<App>) -> Response {
    let (menu, catalogue) = tokio::join!(app.menu.current(), catalogue(&app, "products?limit=12"));
    rendered(Composition::new().with(catalogue).finish(), |composed| {
        let main = html! {
            section.hero {
                h1 { "Welcome" }
                p { "Every capability of the shop has one address. Behind it, the monolith or a new service answers." }
            }
            (menu_of(&menu))
            section aria-labelledby="catalogue" {
                h2 #catalogue { "Catalogue" }
                (listed(composed.data.get("products")))
            }
        };
        page("Portal", Place::Home, Some(&visitor), &main)
    })
}

/// Products, straight from an instance of the catalogue.
pub(super) async fn catalogue(app: &App, path_and_query: &str) -> composition::Fetched {
    let part = Part::new("products", Policy::optional(), Budget::of_request(BUDGET));
    match app.upstreams.catalog(path_and_query) {
        Some(request) => part.fetch(request).await,
        None => part.missing(PartState::skipped()),
    }
}

/// The list, or that it is missing.
pub(super) fn listed(list: Option<&Value>) -> Markup {
    match list {
        Some(list) if !list.is_null() => products(list),
        _ => missing("The catalogue"),
    }
}

fn menu_of(menu: &Known) -> Markup {
    html! {
        section aria-labelledby="capabilities" {
            h2 #capabilities { "Capabilities" }
            @if menu.stale {
                p.missing role="status" { "The gateway does not answer at the moment; this is the menu as it was." }
            }
            @if menu.capabilities.is_empty() && !menu.stale {
                p { "No group of the route table has a menu entry." }
            }
            ul.menu {
                @for capability in &menu.capabilities { (entry(capability)) }
                (entry(&Capability { title: "Catalogue".to_owned(), uri: "/catalogue".to_owned(), moved: true }))
            }
        }
    }
}

fn entry(capability: &Capability) -> Markup {
    let (class, side) = if capability.moved {
        ("badge service", "service")
    } else {
        ("badge monolith", "monolith")
    };
    html! {
        li.card {
            a href=(capability.uri) { (capability.title) }
            p.muted { code { (capability.uri) } }
            span class=(class) { (side) }
        }
    }
}
