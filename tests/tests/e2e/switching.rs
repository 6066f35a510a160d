//! The main promise: an edited line moves URIs while requests are running.

use std::time::{Duration, Instant};

use tests::load::{Load, assert_all};
use tests::upstream::Fake;
use tests::{Edit, Gateway, ReplyExt as _};

use crate::GATEWAY;

/// How many requests a second run during the switches.
const RATE: u32 = 200;

/// How long each side serves before the next switch.
const DWELL: Duration = Duration::from_millis(1200);

fn table(old: &Fake, new: &Fake, stage: &str) -> String {
    Gateway::table(&format!(
        r#"upstreams:
  legacy: {{ endpoints: ["{}"] }}
  order: {{ endpoints: ["{}"], strip_prefix: /api }}
migrations:
  orders:
    from: legacy
    to: order
    stage: {stage}
routes:
  - {{ match: {{ path: "/api/orders/{{id}}" }}, to: {{ migration: orders }} }}
  - {{ match: {{ path: "/api/{{*rest}}" }}, to: {{ upstream: legacy }} }}
"#,
        old.url(),
        new.url(),
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
    let monolith = table(&old, &new, "monolith");
    let service = table(&old, &new, "service");
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

    let mut windows = Vec::new();
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
            let took = from - saved;
            assert!(
                took < Duration::from_secs(1),
                "{how:?} to {server} took {took:?}"
            );
            tokio::time::sleep(DWELL).await;
            windows.push(Window {
                from,
                until: Instant::now(),
                server,
            });
        }
    }
    let shots = load.finish().await;
    assert!(
        shots.len() > 6 * 200,
        "the load ran throughout: {}",
        shots.len()
    );
    assert_all(&shots, 200);
    for window in &windows {
        let inside = shots
            .iter()
            .filter(|shot| shot.started >= window.from && shot.finished <= window.until);
        let servers: Vec<_> = inside
            .filter_map(|shot| shot.outcome.as_ref().ok())
            .collect();
        assert!(
            servers.len() > 100,
            "few requests in a window: {}",
            servers.len()
        );
        let other = servers.iter().find(|(_, server)| server != window.server);
        assert!(
            other.is_none(),
            "{other:?} answered after the switch to {}",
            window.server
        );
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn the_switch_moves_its_group_alone_and_is_told() {
    let (old, new) = (Fake::echo("legacy").await, Fake::echo("order").await);
    let mut gateway = Gateway::start_table(GATEWAY, &table(&old, &new, "monolith"), &[]).await;
    let reply = gateway.get("/api/orders/1").await.expect(200);
    assert_eq!(
        (reply.served_by(), &reply.json()["path"]),
        ("legacy", &"/api/orders/1".into())
    );

    gateway
        .edit(Edit::InPlace, &table(&old, &new, "service"))
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
    let (old, new) = (Fake::echo("legacy").await, Fake::echo("order").await);
    let mut gateway = Gateway::start_table(GATEWAY, &table(&old, &new, "service"), &[]).await;
    let back = table(&old, &new, "monolith");
    drop(new);
    let client = gateway.client();
    client
        .get(gateway.https("/api/orders/1"))
        .reply()
        .await
        .expect_problem(502, "upstream_unreachable");
    gateway.edit(Edit::Rename, &back).await;
    assert_eq!(
        client
            .get(gateway.https("/api/orders/1"))
            .reply()
            .await
            .expect(200)
            .served_by(),
        "legacy"
    );
}
