//! Idle HTTP/1.1 connections hold no buffers, and nobody sees it from outside.

use std::time::{Duration, Instant};

use tests::upstream::{Fake, websocket_echo};
use tests::{Gateway, PATIENCE, Raw, Signal, eventually, within};

use crate::{GATEWAY, everything_to};

/// Short enough for a test, long enough for connections to be parked before.
const LISTENERS: &str = r#"version: 1
listeners:
  - name: edge
    bind: "127.0.0.1:0"
    tls: { cert: edge.pem, key: edge.key }
    timeouts: { header: 1s, idle: 4s }
  - name: plain
    bind: "127.0.0.1:0"
    timeouts: { header: 1s, idle: 4s }
admin: { bind: "127.0.0.1:0" }
"#;

/// Twice as long as it takes until an idle connection is parked.
const LONG: Duration = Duration::from_secs(2);

const ASKING: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection without TLS and one with.
async fn both(gateway: &Gateway) -> [Raw; 2] {
    [gateway.raw().await, gateway.raw_tls(b"http/1.1").await]
}

async fn ask(connection: &mut Raw, request: &[u8]) {
    connection.send(request).await;
    expect_answer(connection, 200).await;
}

async fn expect_answer(connection: &mut Raw, status: u16) {
    let answer = within("an answer", PATIENCE, connection.answer()).await;
    let answer = answer.expect("an answer before the end");
    assert_eq!(answer.status, status, "{}", answer.head);
}

async fn until_parked(gateway: &Gateway, count: f64) {
    eventually("parked connections", PATIENCE, async || {
        let parked = gateway.metric("gateway_connections_parked", &[]).await;
        (parked == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_parked_connection_answers_again() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut connections = both(&gateway).await;
    for _ in 0..2 {
        for connection in &mut connections {
            ask(connection, ASKING).await;
        }
        until_parked(&gateway, 2.0).await;
        assert_eq!(gateway.metric("gateway_connections", &[]).await, 2.0);
    }
    for connection in &mut connections {
        connection.send(&ASKING.repeat(40)).await;
        for _ in 0..40 {
            expect_answer(connection, 200).await;
        }
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_connection_that_has_brought_a_body_is_parked_too() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-late: a\r\n\r\n",
    ] {
        let mut connections = both(&gateway).await;
        for connection in &mut connections {
            ask(connection, request.as_bytes()).await;
        }
        until_parked(&gateway, 2.0).await;
        for connection in &mut connections {
            ask(connection, request.as_bytes()).await;
            connection.finish().await;
            connection.read_to_end().await;
        }
        until_parked(&gateway, 0.0).await;
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_body_that_comes_late_is_never_taken_for_a_request() {
    let upstream = Fake::echo("only").await;
    let table = everything_to(&upstream.url()).replace("prefix: /", "prefix: /known");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let hidden = "GET /known/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        hidden.len()
    );
    let mut connections = both(&gateway).await;
    for connection in &mut connections {
        connection.send(head.as_bytes()).await;
        expect_answer(connection, 404).await;
    }
    // What must not happen has no event to wait for.
    tokio::time::sleep(LONG).await;
    assert_eq!(gateway.metric("gateway_connections_parked", &[]).await, 0.0);
    for connection in &mut connections {
        connection.send(hidden.as_bytes()).await;
        let next = b"HEAD /unknown HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        connection.send(next).await;
        let rest = connection.read_to_end().await;
        assert_eq!(rest.matches("HTTP/1.1 404").count(), 1, "{rest}");
        assert_eq!(rest.matches("HTTP/1.1").count(), 1, "{rest}");
    }
    assert_eq!(upstream.requests(), 0);
    gateway.assert_sound();
}

#[tokio::test]
async fn half_a_head_on_a_parked_connection_is_closed_by_its_timeout() {
    let upstream = Fake::echo("only").await;
    let table = format!("{LISTENERS}{}", everything_to(&upstream.url()));
    let mut gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let mut connections = both(&gateway).await;
    for connection in &mut connections {
        ask(connection, ASKING).await;
    }
    until_parked(&gateway, 2.0).await;
    let started = Instant::now();
    for connection in &mut connections {
        connection.send(b"GET / HTTP/1.1\r\nHo").await;
    }
    for connection in &mut connections {
        assert_eq!(connection.read_to_end().await, "");
    }
    assert!(started.elapsed() >= Duration::from_secs(1));
    let slow = ["kind=\"header_timeout\""];
    eventually("both to be counted", PATIENCE, async || {
        let errors = gateway.metric("gateway_connection_errors_total", &slow);
        (errors.await == 2.0).then_some(())
    })
    .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_parked_connection_is_closed_by_the_idle_timeout() {
    let upstream = Fake::echo("only").await;
    let table = format!("{LISTENERS}{}", everything_to(&upstream.url()));
    let mut gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let mut connections = both(&gateway).await;
    let started = Instant::now();
    for connection in &mut connections {
        ask(connection, ASKING).await;
    }
    until_parked(&gateway, 2.0).await;
    for connection in &mut connections {
        assert_eq!(connection.read_to_end().await, "");
    }
    assert!(started.elapsed() >= Duration::from_secs(4));
    until_parked(&gateway, 0.0).await;
    assert_eq!(gateway.metric("gateway_connections", &[]).await, 0.0);
    let errors = gateway.metric("gateway_connection_errors_total", &[]).await;
    assert_eq!(errors, 0.0, "an orderly end");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_counted_and_closed_in_order() {
    let upstream = Fake::echo("only").await;
    let table = format!("{LISTENERS}{}", everything_to(&upstream.url()));
    let mut gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let mut connections = both(&gateway).await;
    until_parked(&gateway, 2.0).await;
    assert_eq!(gateway.metric("gateway_connections", &[]).await, 2.0);
    for connection in &mut connections {
        assert_eq!(connection.read_to_end().await, "");
    }
    eventually("both to be gone", PATIENCE, async || {
        let open = gateway.metric("gateway_connections", &[]).await;
        (open == 0.0).then_some(())
    })
    .await;
    let errors = gateway.metric("gateway_connection_errors_total", &[]).await;
    assert_eq!(errors, 0.0, "an orderly end");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_drain_closes_parked_connections_and_answers_what_is_on_its_way() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let (mut asking, mut silent) = (both(&gateway).await, both(&gateway).await);
    for connection in asking.iter_mut().chain(&mut silent) {
        ask(connection, ASKING).await;
    }
    until_parked(&gateway, 4.0).await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::TERM);
    gateway.process.message_after(mark, "draining").await;
    for connection in &mut asking {
        connection.send(ASKING).await;
        let answer = connection.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    for connection in &mut silent {
        assert_eq!(connection.read_to_end().await, "");
    }
    let ended = gateway.process.ended(Duration::from_secs(7)).await;
    assert!(ended.success(), "{}", gateway.process.tail());
}

#[tokio::test]
async fn a_client_may_leave_http_on_a_connection_that_was_parked() {
    let upstream = websocket_echo().await;
    let table = everything_to(&upstream.url()).replace("prefix: /", "prefix: /chat");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let mut connections = both(&gateway).await;
    for connection in &mut connections {
        connection.send(ASKING).await;
        expect_answer(connection, 404).await;
    }
    until_parked(&gateway, 2.0).await;
    for connection in &mut connections {
        connection
            .send(
                b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            )
            .await;
        expect_answer(connection, 101).await;
        connection.send(b"hello").await;
        let echo = within("the echo", PATIENCE, connection.take(5)).await;
        assert_eq!(echo, b"hello");
    }
}
