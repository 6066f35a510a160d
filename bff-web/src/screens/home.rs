//! `/web/home`: the customer, the latest orders, and products.

use axum::extract::State;
use composition::{Budget, Composed, Composition, NoAnswer, Part, Policy};
use pagination::Page;

use crate::shop::{Customer, Order, Product};
use crate::visitor::Visitor;
use crate::{App, BUDGET};

/// Orders on the screen.
const ORDERS: usize = 5;

/// Products on the screen.
const PRODUCTS: usize = 12;

pub(crate) async fn home(visitor: Visitor, State(app): State<App>) -> Result<Composed, NoAnswer> {
    let caller = visitor.known()?;
    let upstreams = &app.upstreams;
    let budget = Budget::of_request(BUDGET);
    let user = &caller.user;

    let customer = Part::<Customer>::new("customer", Policy::required(), budget)
        .fetch(upstreams.api(&caller, &format!("customers/{user}")));
    let orders = format!("orders?customer_id={user}&limit={ORDERS}");
    let orders = Part::<Page<Order>>::new("orders", Policy::optional(), budget)
        .fetch(upstreams.api(&caller, &orders));
    let products = Part::<Page<Product>>::new("products", Policy::optional(), budget)
        .fetch_any(upstreams.catalog(&format!("products?limit={PRODUCTS}")));
    let (customer, orders, products) = tokio::join!(customer, orders, products);

    Composition::new()
        .with(customer)
        .with(orders.map(|page| page.items))
        .with(products.map(|page| page.items))
        .finish()
}
