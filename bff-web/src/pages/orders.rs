//! `/orders` and `/orders/{id}`: the signed-in customer's own.

use axum::extract::State;
use axum::response::Response;
use composition::{Budget, Composition, Member as _, Part, Policy};
use maud::{Markup, html};
use problem::extract::Path;
use serde_json::Value;

use super::layout::{Place, page, sign_in};
use super::parts::{amount, items, rendered, text};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

pub(crate) async fn orders(visitor: Visitor, State(app): State<App>) -> Response {
    let Some(caller) = visitor.caller.clone() else {
        return sign_in("/orders");
    };
    let path = format!("orders?customer_id={}&limit=50", caller.user);
    let orders = Part::new("orders", Policy::required(), Budget::of_request(BUDGET))
        .fetch(app.upstreams.api(&caller, &path))
        .await;
    rendered(Composition::new().with(orders).finish(), |composed| {
        let null = Value::Null;
        let main = html! {
            h1 { "Your orders" }
            (table(composed.data.get("orders").unwrap_or(&null)))
        };
        page("Your orders", Place::Elsewhere, Some(&visitor), &main)
    })
}

fn table(list: &Value) -> Markup {
    html! {
        @if items(list).is_empty() {
            p { "You have not ordered anything yet." }
        } @else {
            table {
                thead { tr { th scope="col" { "Order" } th scope="col" { "Placed" } th scope="col" { "Status" } th.number scope="col" { "Total" } } }
                tbody {
                    @for order in items(list) {
                        tr {
                            td { a href={ "/orders/" (order.member("id")) } { "No. " (order.member("id")) } }
                            td { (day(order)) }
                            td { span.tag { (text(order, "status")) } }
                            td.number { (amount(order.member("total"))) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) async fn order(
    visitor: Visitor,
    Path(id): Path<u64>,
    State(app): State<App>,
) -> Response {
    let Some(caller) = visitor.caller.clone() else {
        return sign_in(&format!("/orders/{id}"));
    };
    let order = Part::new(
        "order",
        Policy::required_subject(),
        Budget::of_request(BUDGET),
    )
    .fetch(app.upstreams.api(&caller, &format!("orders/{id}")))
    .await;
    rendered(Composition::new().with(order).finish(), |composed| {
        let null = Value::Null;
        let order = composed.data.get("order").unwrap_or(&null);
        let lines = order
            .member("lines")
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let main = html! {
            h1 { "Order no. " (order.member("id")) }
            p { span.tag { (text(order, "status")) } " placed " (day(order)) }
            table {
                thead { tr { th scope="col" { "Product" } th.number scope="col" { "Quantity" } th.number scope="col" { "Price" } } }
                tbody {
                    @for line in lines {
                        tr {
                            td { a href={ "/products/" (text(line, "sku")) } { (text(line, "name")) } }
                            td.number { (line.member("quantity")) }
                            td.number { (amount(line.member("unit_price"))) }
                        }
                    }
                }
                tfoot { tr { th scope="row" colspan="2" { "Total" } td.number { (amount(order.member("total"))) } } }
            }
            p { a href="/orders" { "All orders" } }
        };
        page("Order", Place::Elsewhere, Some(&visitor), &main)
    })
}

/// The day of `placed_at`, for people and machines.
fn day(order: &Value) -> Markup {
    let placed_at = text(order, "placed_at");
    let day = placed_at.split('T').next().unwrap_or(placed_at);
    html! { time datetime=(placed_at) { (day) } }
}
