//! One order, with what is left of its products.

use axum::extract::State;
use composition::{
    Budget, Caller, Composed, Composition, NoAnswer, Part, Policy, Segment, Upstreams,
};
use pagination::Page;
use problem::Problem;
use problem::extract::{Path, Query};

use crate::BUDGET;
use crate::fields::Sparse;
use crate::shop::{Order, Stock};

pub(crate) async fn order(
    caller: Caller,
    id: Result<Path<u64>, Problem>,
    query: Result<Query<Sparse>, Problem>,
    State(upstreams): State<Upstreams>,
) -> Result<Composed, NoAnswer> {
    let id = id?.0;
    let fields = query?.0.of(&["order", "stock"])?;
    let budget = Budget::of_request(BUDGET);
    let part = || Part::<Order>::new("order", Policy::required_subject(), budget);

    // The order is what was asked for: its 404 is ours. Somebody else's is as good as none.
    let order = part()
        .fetch(upstreams.api(&caller, &format!("orders/{id}")))
        .await
        .only_if(|order| order.is_of(caller.user.text()))
        .into_required()?;
    let mut screen = Composition::new();
    if fields.wants("stock") {
        screen = screen.with(stock_of(&order, budget, &upstreams).await);
    }
    if fields.wants("order") {
        screen = screen.with(part().ready(order));
    }
    screen.finish()
}

/// What is left of the order's products.
async fn stock_of(
    order: &Order,
    budget: Budget,
    upstreams: &Upstreams,
) -> composition::Fetched<Vec<Stock>> {
    let skus: Vec<&str> = order.skus().collect();
    let part = Part::<Page<Stock>>::new("stock", Policy::optional(), budget);
    let stock = match Segment::of(&skus.join(",")) {
        Some(skus) => {
            part.fetch(upstreams.open_api(&format!("stock?skus={skus}")))
                .await
        }
        None if skus.is_empty() => part.ready(Page::only(Vec::new())),
        None => part.skipped(),
    };
    stock.map(|page| page.items)
}
