//! `/web/home`: the customer, the latest orders, and products.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use composition::{Budget, Composition, Part, PartState, Policy};
use problem::Problem;

use crate::visitor::Visitor;
use crate::{App, BUDGET};

/// Orders and products on the screen.
const ORDERS: usize = 5;
const PRODUCTS: usize = 12;

pub(crate) async fn home(visitor: Visitor, State(app): State<App>) -> Result<Response, Response> {
    let caller = visitor.known().map_err(IntoResponse::into_response)?;
    let budget = Budget::of_request(BUDGET);
    let user = &caller.user;
    let customer = Part::new("customer", Policy::required(), budget)
        .fetch(app.upstreams.api(&caller, &format!("customers/{user}")));
    let orders = Part::new("orders", Policy::optional(), budget).fetch(app.upstreams.api(
        &caller,
        &format!("orders?customer_id={user}&limit={ORDERS}"),
    ));
    let products = async {
        let part = Part::new("products", Policy::optional(), budget);
        match app.upstreams.catalog(&format!("products?limit={PRODUCTS}")) {
            Some(request) => part.fetch(request).await,
            None => part.missing(PartState::skipped()),
        }
    };
    let (customer, orders, products) = tokio::join!(customer, orders, products);
    let list = |page: serde_json::Value| page.get("items").cloned().unwrap_or(page);
    Composition::new()
        .with(customer)
        .with(orders.map(list))
        .with(products.map(list))
        .finish()
        .map(IntoResponse::into_response)
        .map_err(Problem::into_response)
}
