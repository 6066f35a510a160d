//! The first screen: who I am, what I ordered last, what is on offer.

use axum::extract::State;
use composition::{Budget, Caller, Composed, Composition, NoAnswer, Part, Policy, Upstreams};
use pagination::Page;
use problem::Problem;
use problem::extract::Query;

use crate::BUDGET;
use crate::fields::Sparse;
use crate::shop::{Customer, OrderSummary, Product};

/// Orders in the list.
const LAST_ORDERS: usize = 3;

/// Products on offer.
const FEATURED: usize = 4;

pub(crate) async fn home(
    caller: Caller,
    query: Result<Query<Sparse>, Problem>,
    State(upstreams): State<Upstreams>,
) -> Result<Composed, NoAnswer> {
    let fields = query?.0.of(&["customer", "orders", "featured"])?;
    let budget = Budget::of_request(BUDGET);
    let user = &caller.user;

    let customer = async {
        let call = upstreams.api(&caller, &format!("customers/{user}"));
        let part = Part::<Customer>::new("customer", Policy::required(), budget);
        fetched_if(fields.wants("customer"), part.fetch(call)).await
    };
    let orders = async {
        let path = format!("orders?customer_id={user}&limit={LAST_ORDERS}");
        let part = Part::<Page<OrderSummary>>::new("orders", Policy::optional(), budget);
        fetched_if(
            fields.wants("orders"),
            part.fetch(upstreams.api(&caller, &path)),
        )
        .await
    };
    let featured = async {
        let instances = upstreams.catalog(&format!("products?limit={FEATURED}"));
        let part = Part::<Page<Product>>::new("featured", Policy::optional(), budget);
        fetched_if(fields.wants("featured"), part.fetch_any(instances)).await
    };
    let (customer, orders, featured) = tokio::join!(customer, orders, featured);
    Composition::new()
        .with_asked(customer)
        .with_asked(orders.map(|orders| orders.map(|page| page.items)))
        .with_asked(featured.map(|featured| featured.map(|page| page.items)))
        .finish()
}

/// A future that nobody polls asks nobody.
async fn fetched_if<F: Future>(wanted: bool, fetching: F) -> Option<F::Output> {
    if wanted { Some(fetching.await) } else { None }
}
