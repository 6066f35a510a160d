//! A gateway with two layers of its own: one around everything, one around a single route.
//!
//! ```sh
//! cargo run --package gateway --example custom_layer -- run --config routes.yaml
//! ```
//!
//! Its command line is that of `gateway`. For layers written from scratch see tower's guide, "Building a
//! middleware from scratch".

use std::process::ExitCode;
use std::time::Duration;

use gateway::extend::{Body, Extensions, Next};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use tower::ServiceExt as _;
use tower::layer::layer_fn;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// Says in every answer which build has given it.
fn build_header() -> SetResponseHeaderLayer<HeaderValue> {
    let name = HeaderName::from_static("x-gateway-build");
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(env!("CARGO_PKG_VERSION")))
}

/// Closes the shop to orders that name no table, without asking the upstream.
fn only_with_a_table(next: Next) -> Next {
    let name = HeaderName::from_static("x-table");
    Next::new(tower::service_fn(move |request: Request<Body>| {
        let (next, named) = (next.clone(), request.headers().contains_key(&name));
        async move {
            if named {
                return next.oneshot(request).await;
            }
            let mut refusal = Response::new(Body::from("Which table?\n"));
            *refusal.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            let headers = refusal.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(refusal)
        }
    }))
}

fn main() -> ExitCode {
    let status = StatusCode::GATEWAY_TIMEOUT;
    let extensions = Extensions::new()
        .layer(build_header())
        .route_layer("orders", layer_fn(only_with_a_table))
        .route_layer(
            "slow",
            TimeoutLayer::with_status_code(status, Duration::from_millis(300)),
        );
    gateway::cli::main_with(extensions)
}
