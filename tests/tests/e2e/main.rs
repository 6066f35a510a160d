//! End-to-end tests: the real binaries as processes, seen from outside, over real sockets.
//!
//! Every test starts what it needs on port 0 and waits for events with a deadline, so all of them run
//! in parallel. The modules stand in the order in which a newcomer meets the product.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a broken expectation ends the test"
)]

use tests::{Binaries, Binary};

mod bring_your_own;
mod command_line;
mod explain;
mod plan;
mod protocols;
mod forwarding;
mod streaming;
mod websocket;
mod answer_bounds;
mod auth;
mod auth_checks;
mod key_rotation;
mod client_certificates;
mod includes;
mod limits;
mod proxy_protocol;
mod reload;
mod reload_under_load;
mod listeners;
mod switching;
mod hygiene;
mod path_confusion;
mod framing;
mod bounds;
mod parking;
mod h2_conformance;
mod h2_abuse;
mod faults;
mod fault_matrix;
mod resilience;
mod upstream_protocols;
mod balancing;
mod health;
mod discovery;
mod drain;
mod traffic_rules;
mod cors;
mod compression;
mod maintenance;
mod error_pages;
mod mirroring;
mod cache;
mod custom_layers;
mod upgrade_binary;
mod shop;

const GATEWAY: Binary = Binary(env!("CARGO_BIN_EXE_gateway-under-test"));
const CUSTOM_LAYER: Binary = Binary(env!("CARGO_BIN_EXE_custom-layer-under-test"));
const SHOP: Binary = Binary(env!("CARGO_BIN_EXE_shop-under-test"));
const BFF_WEB: Binary = Binary(env!("CARGO_BIN_EXE_bff-web-under-test"));
const BFF_MOBILE: Binary = Binary(env!("CARGO_BIN_EXE_bff-mobile-under-test"));

const BINARIES: Binaries = Binaries {
    gateway: GATEWAY,
    shop: SHOP,
    bff_web: BFF_WEB,
    bff_mobile: BFF_MOBILE,
};

/// A table's `upstreams:` and `routes:` that send everything to one address.
fn everything_to(url: &str) -> String {
    format!(
        r#"upstreams:
  only: {{ endpoints: ["{url}"] }}
routes:
  - {{ name: everything, match: {{ prefix: / }}, to: {{ upstream: only }} }}
"#
    )
}
