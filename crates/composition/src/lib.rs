//! Composes one answer from many parts under one deadline.
//!
//! Which parts there are, and how they depend on each other, is Rust: an `async fn` that starts parts and
//! awaits them. How long a part may take and whether the answer can do without it is a [`Policy`].
//!
//! ```no_run
//! # use composition::{Budget, Composition, Part, Policy};
//! # async fn screen(client: chassis::Client) -> composition::Outcome {
//! let budget = Budget::of_request(std::time::Duration::from_secs(2));
//! let part = |name, policy| Part::new(name, policy, budget);
//! let customer = part("customer", Policy::required_subject());
//! let orders = part("orders", Policy::optional());
//! let (customer, orders) = tokio::join!(
//!     customer.fetch(client.get("http://127.0.0.1:8081/api/customers/1")),
//!     orders.fetch(client.get("http://127.0.0.1:8081/api/orders?customer_id=1")),
//! );
//! Composition::new().with(customer).with(orders).finish()
//! # }
//! ```
//!
//! [`Caller`] is who asks, and [`Upstreams`] is where parts come from: the gateway's internal listener for
//! what may move, the registry for the catalogue.
//!
//! A part that failed is `null` in `data` and explained in `parts`; a null that means "none" is never one
//! that means "failed".

mod budget;
mod caller;
mod composed;
mod member;
mod part;
mod state;
mod upstreams;

pub use budget::Budget;
pub use caller::{Anonymous, Caller};
pub use composed::{Composed, Composition, Outcome};
pub use member::Member;
pub use part::{Criticality, Fetched, Part, Policy};
pub use state::{PartState, State};
pub use upstreams::Upstreams;
