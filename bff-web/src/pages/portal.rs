//! `/`: the portal. Its menu follows the strangler's route table, entry by entry.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use composition::{Budget, NoAnswer, Part, Policy};
use maud::{Markup, html};

use super::failure::shown;
use super::icons;
use super::layout::{Page, Place};
use super::parts::products;
use crate::menu::{Capability, Known};
use crate::shop::Product;
use crate::visitor::Visitor;
use crate::{App, BUDGET};

/// Products below the menu.
const PRODUCTS: usize = 12;

pub(crate) async fn portal(visitor: Visitor, uri: Uri, State(app): State<App>) -> Response {
    shown(page(&visitor, &app).await, &visitor, &uri)
}

async fn page(visitor: &Visitor, app: &App) -> Result<Page, NoAnswer> {
    let instances = app.upstreams.catalog(&format!("products?limit={PRODUCTS}"));
    let catalogue = Part::<pagination::Page<Product>>::new(
        "products",
        Policy::optional(),
        Budget::of_request(BUDGET),
    )
    .fetch_any(instances);
    let (menu, catalogue) = tokio::join!(app.menu.current(), catalogue);
    let catalogue = catalogue.into_value()?;
    let main = html! {
        (welcome(visitor))
        (menu_of(&menu))
        section aria-labelledby="catalogue" {
            div.heading {
                h2 #catalogue { "Catalogue" }
                a href="/catalogue" { "Search all products" }
            }
            (products(catalogue.as_ref().map(|page| page.items.as_slice())))
        }
    };
    Ok(Page {
        title: "Portal".to_owned(),
        place: Place::Portal,
        main,
        complete: catalogue.is_some() && !menu.stale,
    })
}

fn welcome(visitor: &Visitor) -> Markup {
    html! {
        section.hero {
            h1 {
                "Welcome"
                @if let Some(session) = &visitor.session { ", " (session.name) }
            }
            p {
                "Tea, coffee and what goes with them. Behind this door the shop is moving house: each "
                "of its capabilities is answered by the monolith or by a new service."
            }
        }
    }
}

fn menu_of(menu: &Known) -> Markup {
    let catalogue = Capability {
        group: "catalogue".to_owned(),
        title: "Catalogue".to_owned(),
        uri: "/catalogue".to_owned(),
        moved: true,
    };
    html! {
        section aria-labelledby="capabilities" {
            div.heading { h2 #capabilities { "Capabilities" } }
            @if menu.stale {
                p.notice role="status" {
                    @if menu.capabilities.is_empty() {
                        "Who serves what is not known at the moment. Please try again in a minute."
                    } @else {
                        "The gateway does not answer at the moment: this is the menu as it last was."
                    }
                }
            }
            ul.menu {
                @for capability in menu.capabilities.iter().chain([&catalogue]) {
                    li { (entry(capability)) }
                }
            }
        }
    }
}

fn entry(capability: &Capability) -> Markup {
    let side = if capability.moved {
        "service"
    } else {
        "monolith"
    };
    html! {
        article.card.capability {
            div class={ "sign " (side) } { (icons::group(&capability.group)) }
            div.text {
                h3 { a.whole href=(capability.uri) { (capability.title) } }
                p.muted { code { (capability.uri) } }
            }
            p class={ "badge " (side) } { span.hidden { "Served by the " } (side) }
        }
    }
}
