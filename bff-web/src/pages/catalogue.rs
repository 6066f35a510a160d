//! `/catalogue` and `/products/{sku}`.

use axum::extract::State;
use axum::response::Response;
use composition::{Budget, Composition, Member as _, Part, PartState, Policy};
use maud::{Markup, html};
use problem::extract::{Path, Query};
use serde::Deserialize;
use serde_json::Value;

use super::layout::{Place, page};
use super::parts::{amount, rendered, text};
use super::portal::{catalogue as products, listed};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

pub(crate) async fn catalogue(
    visitor: Visitor,
    Query(search): Query<Search>,
    State(app): State<App>,
) -> Response {
    let query: String = url::form_urlencoded::byte_serialize(search.q.as_bytes()).collect();
    let found = products(&app, &format!("products?limit=100&q={query}")).await;
    rendered(Composition::new().with(found).finish(), |composed| {
        let main = html! {
            h1 { "Catalogue" }
            form.search method="get" action="/catalogue" role="search" {
                label for="q" { "Search" }
                input #q type="search" name="q" value=(search.q) maxlength="100";
                button type="submit" { "Find" }
            }
            (listed(composed.data.get("products")))
        };
        page("Catalogue", Place::Catalogue, Some(&visitor), &main)
    })
}

pub(crate) async fn product(
    visitor: Visitor,
    Path(sku): Path<String>,
    State(app): State<App>,
) -> Response {
    let budget = Budget::of_request(BUDGET);
    let segment: String = url::form_urlencoded::byte_serialize(sku.as_bytes()).collect();
    let product = async {
        // The product is what was asked for: its 404 is ours.
        let part = Part::new("product", Policy::required_subject(), budget);
        match app.upstreams.catalog(&format!("products/{segment}")) {
            Some(request) => part.fetch(request).await,
            None => part.missing(PartState::skipped()),
        }
    };
    let stock = Part::new("stock", Policy::optional(), budget)
        .fetch(app.upstreams.open_api(&format!("stock/{segment}")));
    let (product, stock) = tokio::join!(product, stock);
    rendered(
        Composition::new().with(product).with(stock).finish(),
        |composed| {
            let null = Value::Null;
            let product = composed.data.get("product").unwrap_or(&null);
            let main = html! {
                article.product {
                    h1 { (text(product, "name")) }
                    p { (text(product, "description")) }
                    p.price { (amount(product.member("price"))) }
                    (availability(composed.data.get("stock").unwrap_or(&null)))
                    p.muted { "Article " code { (text(product, "sku")) } }
                }
                p { a href="/catalogue" { "All products" } }
            };
            page(
                text(product, "name"),
                Place::Catalogue,
                Some(&visitor),
                &main,
            )
        },
    )
}

/// Nothing known is not the same as nothing left.
fn availability(stock: &Value) -> Markup {
    match stock.member("available").as_u64() {
        Some(0) => html! { p.tag { "Sold out" } },
        Some(left) => html! { p.tag { (left) " in stock" } },
        None => html! { p.missing role="status" { "Stock is not known at the moment." } },
    }
}
