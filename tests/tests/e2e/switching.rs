//! The main promise: an edited line moves URIs while requests are running.

use std::time::{Duration, Instant};

use tests::load::{Load, assert_all};
use tests::upstream::{Fake, Refused};
use tests::{Edit, Gateway, assert_prompt};

use crate::GATEWAY;

/// How many requests a second run during the switches.
const RATE: u32 = 200;

/// Answers that each side gives before the next switch: more than a second's worth.
const DWELL_ANSWERS: usize = 240;

fn table(old: &str, new: &str, stage: &str) -> String {
    Gateway::table(&format!(
        r#"upstreams:
  legacy: {{ endpoints: ["{old}"] }}
  order: {{ endpoints: ["{new}"], strip_prefix: /api }}
migrations:
  orders:
    from: legacy
    to: order
    stage: {stage}
routes:
  - {{ match: {{ path: "/api/orders/{{id}}" }}, to: {{ migration: orders }} }}
  - {{ match: {{ path: "/api/{{*rest}}" }}, to: {{ upstream: legacy }} }}
"#,
    ))
}

/// From the moment at which the test read the log line until the next save, this side serves.
struct Window {
    from: Instant,
    until: Instant,
    server: &'static str,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_an_edit_switches_at_once_and_back_and_drops_nothing() {
    let (old, new) = (Fake::echo("legacy").await, Fake::echo("order").await);
    let monolith = table(&old.url(), &new.url(), "monolith");
    let service = table(&old.url(), &new.url(), "service");
    let mut gateway = Gateway::start_table(GATEWAY, &monolith, &[]).await;
    // Both protocols share the load; each keeps its connections.
    let (clients, url) = (
        [gateway.client(), gateway.http1_client()],
        gateway.https("/api/orders/1"),
    );
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let load = Load::start(RATE, move || {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        clients[turn % 2].get(&url)
    });

    let (mut windows, mut took) = (Vec::new(), Vec::new());
    for (round, how) in Edit::ALL.into_iter().enumerate() {
        for (text, server) in [(&service, "order"), (&monolith, "legacy")] {
            let mark = gateway.process.mark();
            // Each version is another text, so that none is taken for one seen before.
            let text = format!("{text}# round {round}\n");
            let saved = Instant::now();
            gateway.save(how, &text);
            gateway
                .process
                .message_after(mark, "route table applied")
                .await;
            let from = Instant::now();
            took.push(from - saved);
            // Even if the load has fallen behind, this one has started after the switch.
            assert_eq!(
                gateway.get("/api/orders/1").await.expect(200).served_by(),
                server
            );
            load.answers(DWELL_ANSWERS).await;
            windows.push(Window {
                from,
                until: Instant::now(),
                server,
            });
        }
    }
    let shots = load.finish().await;
    assert_all(&shots, 200);
    let mut judged = 0;
    for window in &windows {
        let inside = shots
            .iter()
            .filter(|shot| shot.started >= window.from && shot.finished <= window.until);
        let servers: Vec<_> = inside
            .filter_map(|shot| shot.outcome.as_ref().ok())
            .collect();
        judged += servers.len();
        let other = servers.iter().find(|(_, server)| server != window.server);
        assert!(
            other.is_none(),
            "{other:?} answered after the switch to {}",
            window.server
        );
    }
    assert!(judged > 0, "no request lies within a window");
    assert_prompt("a switch", took, Duration::from_secs(1));
    gateway.assert_sound();
}

#[tokio::test]
async fn the_switch_moves_its_group_alone_and_is_told() {
    let (old, new) = (Fake::echo("legacy").await, Fake::echo("order").await);
    let mut gateway =
        Gateway::start_table(GATEWAY, &table(&old.url(), &new.url(), "monolith"), &[]).await;
    let reply = gateway.get("/api/orders/1").await.expect(200);
    assert_eq!(
        (reply.served_by(), &reply.json()["path"]),
        ("legacy", &"/api/orders/1".into())
    );

    gateway
        .edit(Edit::InPlace, &table(&old.url(), &new.url(), "service"))
        .await;
    let reply = gateway.get("/api/orders/1").await.expect(200);
    assert_eq!(
        (reply.served_by(), &reply.json()["path"]),
        ("order", &"/orders/1".into())
    );
    assert_eq!(
        gateway.get("/api/invoices/1").await.expect(200).served_by(),
        "legacy"
    );

    let line = gateway.process.message("migration switched").await;
    assert_eq!(
        (&line["from"], &line["to"]),
        (&"monolith".into(), &"service".into())
    );
    let page = gateway.admin("/migrations").await.expect(200).json();
    assert_eq!(page["items"][0]["stage"], "service");
    let line = gateway.access_line("/api/orders/1").await;
    assert_eq!(line["group"], "orders", "{line}");
}

#[tokio::test]
async fn a_side_that_is_down_is_a_bad_gateway_and_the_way_back_is_open() {
    let (old, down) = (Fake::echo("legacy").await, Refused::new());
    let there = table(&old.url(), &down.url(), "service");
    let mut gateway = Gateway::start_table(GATEWAY, &there, &[]).await;
    gateway
        .get("/api/orders/1")
        .await
        .expect_problem(502, "upstream_unreachable");
    gateway
        .edit(Edit::Rename, &table(&old.url(), &down.url(), "monolith"))
        .await;
    assert_eq!(
        gateway.get("/api/orders/1").await.expect(200).served_by(),
        "legacy"
    );
}
