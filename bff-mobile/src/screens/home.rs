//! The first screen: who I am, what I ordered last, what is on offer.

use axum::extract::State;
use composition::{
    Budget, Caller, Composed, Composition, Member as _, Part, PartState, Policy, Upstreams,
};
use problem::Problem;
use problem::extract::Query;
use serde_json::{Value, json};

use crate::BUDGET;
use crate::fields::Sparse;

/// Products on offer, orders in the list.
const FEATURED: usize = 4;
const LAST_ORDERS: usize = 3;

pub(crate) async fn home(
    caller: Caller,
    Query(sparse): Query<Sparse>,
    State(upstreams): State<Upstreams>,
) -> Result<Composed, Problem> {
    let budget = Budget::of_request(BUDGET);
    let part = |name, policy| sparse.wants(name).then(|| Part::new(name, policy, budget));
    let user = &caller.user;
    let customer = async {
        let part = part("customer", Policy::required())?;
        Some(
            part.fetch(upstreams.api(&caller, &format!("customers/{user}")))
                .await
                .map(brief_customer),
        )
    };
    let orders = async {
        let part = part("orders", Policy::optional())?;
        let query = format!("orders?customer_id={user}&limit={LAST_ORDERS}");
        Some(
            part.fetch(upstreams.api(&caller, &query))
                .await
                .map(brief_orders),
        )
    };
    let featured = async {
        let part = part("featured", Policy::optional())?;
        let Some(request) = upstreams.catalog(&format!("products?limit={FEATURED}")) else {
            return Some(part.missing(PartState::skipped()));
        };
        Some(part.fetch(request).await.map(brief_products))
    };
    let (customer, orders, featured) = tokio::join!(customer, orders, featured);
    [customer, orders, featured]
        .into_iter()
        .flatten()
        .fold(Composition::new(), Composition::with)
        .finish()
}

/// A phone's list needs a name, not a record.
fn brief_customer(customer: Value) -> Value {
    json!({ "id": customer.member("id"), "name": customer.member("name") })
}

fn brief_orders(list: Value) -> Value {
    let brief = |order: &Value| {
        json!({
            "id": order.member("id"),
            "status": order.member("status"),
            "placed_at": order.member("placed_at"),
            "total": order.member("total"),
        })
    };
    items(&list).iter().map(brief).collect()
}

fn brief_products(list: Value) -> Value {
    let brief = |product: &Value| json!({ "sku": product.member("sku"), "name": product.member("name"), "price": product.member("price") });
    items(&list).iter().map(brief).collect()
}

fn items(list: &Value) -> &[Value] {
    list.member("items").as_array().map_or(&[], Vec::as_slice)
}
