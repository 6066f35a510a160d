//! `/catalogue` and `/products/{sku}`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use composition::{Budget, NoAnswer, Part, Policy, Segment};
use maud::{Markup, html};
use problem::Problem;
use problem::extract::{Path, Query};
use serde::Deserialize;

use super::failure::shown;
use super::icons;
use super::layout::{Page, Place};
use super::parts::{amount, products};
use crate::shop::{Product, Stock};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

/// Products on one page.
const PRODUCTS: usize = 24;

/// What is looked for; empty: everything.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    cursor: String,
}

impl Search {
    /// As a query, for the catalogue service and for our own links alike.
    fn query(&self) -> String {
        [
            ("q", &self.q),
            ("category", &self.category),
            ("cursor", &self.cursor),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", Segment::of(value)?)))
        .collect()
    }

    fn next(&self, cursor: &str) -> String {
        let next = Self {
            q: self.q.clone(),
            category: self.category.clone(),
            cursor: cursor.to_owned(),
        };
        format!("/catalogue?{}", next.query().trim_start_matches('&'))
    }
}

pub(crate) async fn catalogue(
    visitor: Visitor,
    uri: Uri,
    search: Result<Query<Search>, Problem>,
    State(app): State<App>,
) -> Response {
    let page = async { list(&app, search?.0).await };
    shown(page.await, &visitor, &uri)
}

async fn list(app: &App, search: Search) -> Result<Page, NoAnswer> {
    let query = format!("products?limit={PRODUCTS}{}", search.query());
    let found = Part::<pagination::Page<Product>>::new(
        "products",
        Policy::optional(),
        Budget::of_request(BUDGET),
    )
    .fetch_any(app.upstreams.catalog(&query))
    .await
    .into_value()?;
    let next = found.as_ref().and_then(|page| page.next_cursor.as_deref());
    let items = found.as_ref().map(|page| page.items.as_slice());
    let main = html! {
        h1 { "Catalogue" }
        form.search method="get" action="/catalogue" role="search" {
            label for="q" { "Search the catalogue" }
            div.field {
                input #q type="search" name="q" value=(search.q) maxlength="100"
                    placeholder="Green tea" enterkeyhint="search";
                button type="submit" { "Search" }
            }
        }
        (categories(&search, items.unwrap_or_default()))
        (products(items))
        @if let Some(cursor) = next {
            p.more { a.button.quiet href=(search.next(cursor)) rel="next" { "More products" } }
        }
    };
    Ok(Page {
        title: "Catalogue".to_owned(),
        place: Place::Catalogue,
        main,
        complete: found.is_some(),
    })
}

/// Ways to narrow the list down, and back to all of it.
fn categories(search: &Search, found: &[Product]) -> Markup {
    let mut names: Vec<&str> = found.iter().map(|p| p.category.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let narrowed = !search.category.is_empty();
    let widen = narrowed || !search.q.is_empty();
    let url = |name: &str| {
        Segment::of(name).map_or_else(
            || "/catalogue".to_owned(),
            |name| format!("/catalogue?category={name}"),
        )
    };
    html! {
        nav.chips aria-label="Categories" {
            a href="/catalogue" aria-current=[(!widen).then_some("true")] { "All products" }
            @for name in names {
                a href=(url(name)) aria-current=[(narrowed && search.category == name).then_some("true")] {
                    (name)
                }
            }
        }
    }
}

pub(crate) async fn product(
    visitor: Visitor,
    uri: Uri,
    sku: Result<Path<String>, Problem>,
    State(app): State<App>,
) -> Response {
    let page = async { one(&app, &sku?.0).await };
    shown(page.await, &visitor, &uri)
}

async fn one(app: &App, sku: &str) -> Result<Page, NoAnswer> {
    let no_such = || Problem::not_found("there is no such product");
    let sku = Segment::of(sku).ok_or_else(no_such)?;
    let budget = Budget::of_request(BUDGET);
    let instances = app.upstreams.catalog(&format!("products/{sku}"));
    // The product is what was asked for: its 404 is ours.
    let product =
        Part::<Product>::new("product", Policy::required_subject(), budget).fetch_any(instances);
    let stock = Part::<Stock>::new("stock", Policy::optional(), budget)
        .fetch(app.upstreams.open_api(&format!("stock/{sku}")));
    let (product, stock) = tokio::join!(product, stock);
    let (product, stock) = (product.into_required()?, stock.into_value()?);
    let (colours, drawing) = icons::category(&product.category);
    let main = html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/catalogue" { "Catalogue" }
            span aria-hidden="true" { "/" }
            span aria-current="page" { (product.name) }
        }
        article.detail {
            div class={ "art " (colours) } { (drawing) }
            div.text {
                p.kind { (product.category) }
                h1 { (product.name) }
                p.lead { (product.description) }
                p.price { (amount(product.price)) }
                (availability(stock.as_ref()))
                p.muted { "Article " code { (product.sku) } }
            }
        }
    };
    Ok(Page {
        title: product.name.clone(),
        place: Place::Catalogue,
        main,
        complete: stock.is_some(),
    })
}

/// Nothing known is not the same as nothing left.
fn availability(stock: Option<&Stock>) -> Markup {
    match stock.map(|stock| stock.available) {
        Some(0) => html! { p { span.pill.bad { "Sold out" } } },
        Some(left) => html! { p { span.pill.good { (left) " in stock" } } },
        None => html! { p.notice role="status" { "Stock is not known at the moment." } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_on_as_it_was_typed() {
        let search = Search {
            q: "tea & honey".to_owned(),
            category: String::new(),
            cursor: String::new(),
        };
        assert_eq!(search.query(), "&q=tea%20%26%20honey");
        assert_eq!(
            search.next("abc"),
            "/catalogue?q=tea%20%26%20honey&cursor=abc"
        );
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_sold_out() {
        let sold_out = availability(Some(&Stock { available: 0 })).into_string();
        let unknown = availability(None).into_string();
        assert!(sold_out.contains("Sold out") && !unknown.contains("Sold out"));
    }
}
