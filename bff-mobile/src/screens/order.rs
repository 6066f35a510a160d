//! One order, with what is left of its products.

use axum::extract::State;
use composition::{
    Budget, Caller, Composed, Composition, Fetched, Member as _, Part, PartState, Policy, Upstreams,
};
use problem::Problem;
use problem::extract::{Path, Query};
use serde_json::{Value, json};

use crate::BUDGET;
use crate::fields::Sparse;

pub(crate) async fn order(
    caller: Caller,
    Path(id): Path<u64>,
    Query(sparse): Query<Sparse>,
    State(upstreams): State<Upstreams>,
) -> Result<Composed, Problem> {
    let budget = Budget::of_request(BUDGET);
    // The order is what was asked for: its 404 is ours.
    let order = Part::new("order", Policy::required_subject(), budget)
        .fetch(upstreams.api(&caller, &format!("orders/{id}")))
        .await;
    let mut screen = Composition::new();
    if sparse.wants("stock") {
        let stock = Part::new("stock", Policy::optional(), budget);
        screen = screen.with(stock_of(&order, stock, &upstreams, &caller).await);
    }
    Ok(screen.with(order).finish()?.keep(&sparse.names()))
}

/// What is left of the order's products; skipped when there is no order to look into.
async fn stock_of(order: &Fetched, part: Part, upstreams: &Upstreams, caller: &Caller) -> Fetched {
    let Some(order) = order.value() else {
        return part.missing(PartState::skipped());
    };
    let lines = order
        .member("lines")
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let skus: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.member("sku").as_str())
        .collect();
    if skus.is_empty() {
        return part.ready(json!([]));
    }
    let request = upstreams
        .api(caller, "stock")
        .query(&[("skus", skus.join(","))]);
    part.fetch(request).await.map(brief_stock)
}

fn brief_stock(list: Value) -> Value {
    let brief = |stock: &Value| json!({ "sku": stock.member("sku"), "available": stock.member("available") });
    let items = list
        .member("items")
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    items.iter().map(brief).collect()
}
