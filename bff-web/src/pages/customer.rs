//! `/customers`: the signed-in customer's own record.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use composition::{Budget, NoAnswer, Part, Policy};
use maud::html;

use super::failure::shown;
use super::layout::{Page, Place};
use super::parts::amount;
use crate::shop::Customer;
use crate::visitor::Visitor;
use crate::{App, BUDGET};

pub(crate) async fn customer(visitor: Visitor, uri: Uri, State(app): State<App>) -> Response {
    shown(page(&visitor, &app).await, &visitor, &uri)
}

async fn page(visitor: &Visitor, app: &App) -> Result<Page, NoAnswer> {
    let caller = visitor.known()?;
    let budget = Budget::of_request(BUDGET);
    let call = app
        .upstreams
        .api(&caller, &format!("customers/{}", caller.user));
    let customer = Part::<Customer>::new("customer", Policy::required_subject(), budget)
        .fetch(call)
        .await
        .into_required()?;
    let main = html! {
        p.kind { "Your account" }
        h1 { (customer.name) }
        dl.record {
            div { dt { "E-mail" } dd { (customer.email) } }
            div { dt { "City" } dd { (customer.city) } }
            div { dt { "Credit limit" } dd { (amount(customer.credit_limit)) } }
            div { dt { "Customer number" } dd { (customer.id) } }
        }
        p.more { a.button.quiet href="/orders" { "Your orders" } }
    };
    Ok(Page {
        title: customer.name.clone(),
        place: Place::Elsewhere,
        main,
        complete: true,
    })
}
