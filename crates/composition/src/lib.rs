//! Composes one answer from many parts under one deadline.
//!
//! Which parts there are, and how they depend on each other, is Rust: an `async fn` that starts parts and
//! awaits them. How long a part may take and whether the answer can do without it is a [`Policy`].
//!
//! ```no_run
//! use composition::{Budget, Caller, Composed, Composition, NoAnswer, Part, Policy, Upstreams};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Customer { name: String }
//! #[derive(Serialize, Deserialize)]
//! struct Orders { items: Vec<serde_json::Value> }
//!
//! async fn screen(upstreams: Upstreams, caller: Caller) -> Result<Composed, NoAnswer> {
//!     let budget = Budget::of_request(std::time::Duration::from_secs(2));
//!     let user = &caller.user;
//!     let customer = Part::<Customer>::new("customer", Policy::required(), budget)
//!         .fetch(upstreams.api(&caller, &format!("customers/{user}")));
//!     let orders = Part::<Orders>::new("orders", Policy::optional(), budget)
//!         .fetch(upstreams.api(&caller, &format!("orders?customer_id={user}")));
//!     let (customer, orders) = tokio::join!(customer, orders);
//!     Composition::new().with(customer).with(orders).finish()
//! }
//! ```
//!
//! [`Caller`] is who asks, and [`Upstreams`] is where parts come from: the gateway's internal listener for
//! what may move, the registry for the catalogue. [`Segment`] is text that is safe in an address.
//!
//! A part that failed is `null` in `data` and explained in `parts`; a null that means "none" is never one
//! that means "failed". So an answer of another shape than `T` is a failure too, not an empty list.

mod budget;
mod segment;
mod caller;
mod upstreams;
mod policy;
mod part;
mod exchange;
mod failed;
mod state;
mod composed;

pub use budget::Budget;
pub use caller::Caller;
pub use composed::{Composed, Composition};
pub use failed::NoAnswer;
pub use part::{Fetched, Part};
pub use policy::{Criticality, Policy};
pub use segment::Segment;
pub use state::{PartState, State};
pub use upstreams::{BadBaseUrl, BaseUrl, Upstreams};
