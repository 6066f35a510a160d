//! Anti-corruption layer: REST in front of the monolith's SOAP.
//!
//! Clients see the customers as the customer service shows them, and nothing of SOAP, of old names or
//! of amounts as text. A request passes through:
//!
//! 1. `http`: JSON in and out;
//! 2. `translate`: our model to the monolith's records and back, pure;
//! 3. `monolith`: one call, with a timeout, within limits, through
//! 4. `breaker`: which spares a monolith that is down, and our callers the wait;
//! 5. `answer`: faults and failures to problem documents.
//!
//! | request | answer |
//! |---|---|
//! | `GET /customers?limit=&cursor=` | a page of customers, by id |
//! | `GET /customers/{id}` | the customer |
//! | `PUT /customers/{id}` | the changed customer; 409 `version_conflict` if it changed meanwhile |
//! | `GET /customers/{id}/credit` | `{limit, available}` |
//! | `GET /stats` | calls and failures since the start, for operators: whose failures they were |
//!
//! | the monolith | the client gets |
//! |---|---|
//! | says no: a Client fault | 404, 409 or 422, with the codes of the customer service |
//! | fails: a Server fault, another status, no SOAP, too much of it | 502 |
//! | cannot be reached, or breaks off | 502 |
//! | does not answer within [`monolith::TIMEOUT`] | 504 |
//! | did so five times in a row | 503 with `Retry-After`, at once |

mod http;
mod translate;
mod monolith;
mod breaker;
mod counters;
mod answer;

use std::sync::Arc;

use chassis::{Running, Service, Settings};

use crate::monolith::Monolith;

/// The service's name in the registry and its logs.
const NAME: &str = "legacy-adapter";

/// The command line of the adapter.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,
    /// Where the monolith is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7001")]
    pub legacy_url: String,
}

/// Starts to serve. The monolith need not be there yet.
///
/// # Errors
/// The monolith's URL is none, or the address cannot be bound.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let monolith = Arc::new(Monolith::new(&options.legacy_url)?);
    // Ready whether or not the monolith is: an answer that names the monolith's failure is worth more
    // than a gateway that finds nobody to ask.
    Service::new(NAME, http::routes(monolith))
        .start(&options.service)
        .await
}
