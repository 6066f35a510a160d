//! Listeners follow the table while the gateway runs.

use axum::Router;
use axum::routing::get;
use tests::load::{Load, assert_all};
use tests::upstream::Fake;
use tests::{Edit, Gateway, HeldPort, PATIENCE, Raw, eventually, plain_client};

use crate::{GATEWAY, everything_to};

fn table(listeners: &[String], upstream: &Fake) -> String {
    let listeners: String = listeners
        .iter()
        .map(|listener| format!("  - {{ {listener} }}\n"))
        .collect();
    format!(
        "version: 1\nlisteners:\n{listeners}admin: {{ bind: \"127.0.0.1:0\" }}\n{}",
        everything_to(&upstream.url())
    )
}

fn listener(name: &str, port: u16) -> String {
    format!("name: {name}, bind: \"127.0.0.1:{port}\"")
}

async fn status(port: u16) -> Option<u16> {
    let url = format!("http://127.0.0.1:{port}/");
    let response = plain_client().get(url).send().await.ok()?;
    Some(response.status().as_u16())
}

#[tokio::test]
async fn listeners_come_and_go_and_the_others_are_not_touched() {
    let upstream = Fake::echo("only").await;
    let held_ports = (HeldPort::new(), HeldPort::new());
    let (kept, other) = (held_ports.0.port(), held_ports.1.port());
    let kept_alone = table(&[listener("kept", kept)], &upstream);
    let both = table(
        &[listener("kept", kept), listener("other", other)],
        &upstream,
    );
    let mut gateway = Gateway::start_table(GATEWAY, &kept_alone, &[]).await;
    let client = plain_client();
    let url = format!("http://127.0.0.1:{kept}/");
    let load = Load::start(100, move || client.get(&url).header("connection", "close"));
    let mut held = Raw::connect(gateway.address("kept")).await;
    assert_eq!(status(other).await, None);
    for _ in 0..5 {
        gateway.edit(Edit::Rename, &both).await;
        assert_eq!(status(other).await, Some(200));
        let mut on_other = Raw::connect(([127, 0, 0, 1], other).into()).await;
        on_other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(on_other.status_line().await, "HTTP/1.1 200 OK");
        gateway.edit(Edit::Rename, &kept_alone).await;
        eventually("the other listener to be closed", PATIENCE, async || {
            status(other).await.is_none().then_some(())
        })
        .await;
        // Told by its next answer that the connection ends.
        on_other.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let rest = on_other.read_to_end().await;
        assert!(rest.contains("connection: close"), "{rest}");
    }
    held.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(held.read_to_end().await.starts_with("HTTP/1.1 200"));
    load.answers(20).await;
    assert_all(&load.finish().await, 200);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_changed_listener_treats_new_connections_by_its_new_words() {
    let upstream = Fake::echo("only").await;
    let held_port = HeldPort::new();
    let port = held_port.port();
    let plain = table(&[listener("edge", port)], &upstream);
    let secure = format!(
        "{}, tls: {{ cert: edge.pem, key: edge.key }}",
        listener("edge", port)
    );
    let secure = table(&[secure], &upstream);
    let mut gateway = Gateway::start_table(GATEWAY, &plain, &[]).await;
    let mut held = gateway.raw_to("edge").await;
    gateway.edit(Edit::Rename, &secure).await;
    gateway.get("/").await.expect(200);
    assert_eq!(status(port).await, None, "no more without TLS");
    held.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(held.read_to_end().await.starts_with("HTTP/1.1 200"));
    gateway.edit(Edit::Rename, &plain).await;
    assert_eq!(status(port).await, Some(200));
    gateway.assert_sound();
}

#[tokio::test]
async fn a_table_whose_sockets_or_certificates_cannot_be_had_is_refused() {
    let upstream = Fake::start(Router::new().fallback(get(async || "quick"))).await;
    let (held_port, other) = (HeldPort::new(), HeldPort::new());
    let port = held_port.port();
    let good = table(&[listener("edge", port)], &upstream);
    let mut gateway = Gateway::start_table(GATEWAY, &good, &[]).await;
    // The upstream's port is in use.
    let in_use = listener("other", upstream.addr().port());
    let no_file = format!(
        "{}, tls: {{ cert: no.pem, key: no.key }}",
        listener("other", other.port())
    );
    for (other, expected) in [(in_use, "in use by another process"), (no_file, "no.pem")] {
        let mark = gateway.process.mark();
        gateway.save(
            Edit::Rename,
            &table(&[listener("edge", port), other], &upstream),
        );
        let line = gateway
            .process
            .message_after(mark, "route table refused; the last good one serves on")
            .await;
        assert!(line["error"].as_str().unwrap().contains(expected), "{line}");
        assert_eq!(status(port).await, Some(200));
    }
    gateway.assert_sound();
}
