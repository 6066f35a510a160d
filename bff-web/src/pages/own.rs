//! `/customers`: the signed-in customer's own record.

use axum::extract::State;
use axum::response::Response;
use composition::{Budget, Composition, Member as _, Part, Policy};
use maud::html;
use serde_json::Value;

use super::layout::{Place, page, sign_in};
use super::parts::{amount, rendered, text};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

pub(crate) async fn customer(visitor: Visitor, State(app): State<App>) -> Response {
    let Some(caller) = visitor.caller.clone() else {
        return sign_in("/customers");
    };
    let customer = Part::new(
        "customer",
        Policy::required_subject(),
        Budget::of_request(BUDGET),
    )
    .fetch(
        app.upstreams
            .api(&caller, &format!("customers/{}", caller.user)),
    )
    .await;
    rendered(Composition::new().with(customer).finish(), |composed| {
        let null = Value::Null;
        let customer = composed.data.get("customer").unwrap_or(&null);
        let main = html! {
            h1 { (text(customer, "name")) }
            dl {
                dt { "E-mail" } dd { (text(customer, "email")) }
                dt { "City" } dd { (text(customer, "city")) }
                dt { "Credit limit" } dd { (amount(customer.member("credit_limit"))) }
            }
            p { a href="/orders" { "Your orders" } }
        };
        page("Customer", Place::Elsewhere, Some(&visitor), &main)
    })
}
