//! `/orders` and `/orders/{id}`: the signed-in customer's own.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use composition::{Budget, NoAnswer, Part, Policy, Segment};
use maud::{Markup, html};
use problem::Problem;
use problem::extract::{Path, Query};
use serde::Deserialize;

use super::failure::shown;
use super::layout::{Page, Place};
use super::parts::{amount, order_status, product_url};
use crate::shop::Order;
use crate::visitor::Visitor;
use crate::{App, BUDGET};

/// Orders on one page.
const ORDERS: usize = 20;

#[derive(Debug, Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    cursor: String,
}

pub(crate) async fn orders(
    visitor: Visitor,
    uri: Uri,
    from: Result<Query<From>, Problem>,
    State(app): State<App>,
) -> Response {
    let page = async { list(&visitor, &app, from?.0).await };
    shown(page.await, &visitor, &uri)
}

async fn list(visitor: &Visitor, app: &App, from: From) -> Result<Page, NoAnswer> {
    let caller = visitor.known()?;
    let mut path = format!("orders?customer_id={}&limit={ORDERS}", caller.user);
    if let Some(cursor) = Segment::of(&from.cursor) {
        path = format!("{path}&cursor={cursor}");
    }
    let budget = Budget::of_request(BUDGET);
    let orders = Part::<pagination::Page<Order>>::new("orders", Policy::required(), budget)
        .fetch(app.upstreams.api(&caller, &path))
        .await
        .into_required()?;
    let older = orders.next_cursor.as_deref().and_then(Segment::of);
    let main = html! {
        h1 { "Your orders" }
        @if orders.items.is_empty() {
            p.notice { "You have not ordered anything yet." }
        } @else {
            (table(&orders.items))
        }
        @if let Some(older) = older {
            p.more { a.button.quiet href={ "/orders?cursor=" (older) } rel="next" { "Older orders" } }
        }
    };
    Ok(Page {
        title: "Your orders".to_owned(),
        place: Place::Orders,
        main,
        complete: true,
    })
}

fn table(orders: &[Order]) -> Markup {
    html! {
        div.table {
            table {
                thead {
                    tr {
                        th scope="col" { "Order" }
                        th scope="col" { "Placed" }
                        th scope="col" { "Status" }
                        th.number scope="col" { "Total" }
                    }
                }
                tbody {
                    @for order in orders {
                        tr {
                            th scope="row" { a href={ "/orders/" (order.id) } { "No. " (order.id) } }
                            td { (day(order)) }
                            td { (order_status(&order.status)) }
                            td.number { (amount(order.total)) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) async fn order(
    visitor: Visitor,
    uri: Uri,
    id: Result<Path<u64>, Problem>,
    State(app): State<App>,
) -> Response {
    let page = async { one(&visitor, &app, id?.0).await };
    shown(page.await, &visitor, &uri)
}

async fn one(visitor: &Visitor, app: &App, id: u64) -> Result<Page, NoAnswer> {
    let caller = visitor.known()?;
    let budget = Budget::of_request(BUDGET);
    let order = Part::<Order>::new("order", Policy::required_subject(), budget)
        .fetch(app.upstreams.api(&caller, &format!("orders/{id}")))
        .await
        .only_if(|order| order.is_of(caller.user.text()))
        .into_required()?;
    let main = html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/orders" { "Your orders" }
            span aria-hidden="true" { "/" }
            span aria-current="page" { "No. " (order.id) }
        }
        h1 { "Order no. " (order.id) }
        p.facts { (order_status(&order.status)) span.muted { "Placed " (day(&order)) } }
        (lines(&order))
    };
    Ok(Page {
        title: format!("Order no. {}", order.id),
        place: Place::Orders,
        main,
        complete: true,
    })
}

fn lines(order: &Order) -> Markup {
    html! {
        div.table {
            table {
                thead {
                    tr {
                        th scope="col" { "Product" }
                        th.number scope="col" { "Quantity" }
                        th.number scope="col" { "Price each" }
                    }
                }
                tbody {
                    @for line in &order.lines {
                        tr {
                            th scope="row" { a href=(product_url(&line.sku)) { (line.name) } }
                            td.number { (line.quantity) }
                            td.number { (amount(line.unit_price)) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" colspan="2" { "Total" }
                        td.number { (amount(order.total)) }
                    }
                }
            }
        }
    }
}

/// For people and machines.
fn day(order: &Order) -> Markup {
    html! { time datetime=(order.placed_at) { (order.day()) } }
}
