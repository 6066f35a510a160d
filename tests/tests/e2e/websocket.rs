//! Leaving HTTP: WebSocket over HTTP/1.1 and over HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request};
use tests::upstream::{
    Fake, Frames, Rude, Speaking, Spoken, answer_handshake, websocket_echo, websocket_over_http2,
};
use tests::{Gateway, PATIENCE, eventually, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{GATEWAY, everything_to};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\n\
    upgrade: WebSocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Sends a handshake and returns the answer's head.
async fn shake_hands(connection: &mut TcpStream) -> String {
    connection.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let head = tests::upstream::read_head(connection);
    within("the handshake's answer", PATIENCE, head).await
}

fn has_line(head: &str, line: &str) -> bool {
    let head = head.to_lowercase();
    head.lines().any(|found| found == line)
}

/// The answer's head is the one that RFC 6455 asks for.
#[track_caller]
fn assert_agreed(head: &str) {
    assert!(head.to_lowercase().starts_with("http/1.1 101 "), "{head}");
    for line in [
        "upgrade: websocket",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: chat",
    ] {
        assert!(has_line(head, line), "{line}\n{head}");
    }
}

async fn echoed(connection: &mut TcpStream, text: &str) -> String {
    connection.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    let read = connection.read_exact(&mut back);
    within("the echo", PATIENCE, read).await.unwrap();
    String::from_utf8(back).unwrap()
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_and_is_logged_when_it_ends() {
    let upstream = websocket_echo().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let head = shake_hands(&mut socket).await;
    assert_agreed(&head);
    assert!(has_line(&head, "x-served-by: only"), "{head}");
    for text in ["one", "two", &"x".repeat(100_000)] {
        assert_eq!(echoed(&mut socket, text).await, text);
    }
    assert_eq!(gateway.metric("gateway_requests_in_flight", &[]).await, 1.0);
    drop(socket);
    let line = gateway.access_line("/chat").await;
    assert_eq!(
        (&line["status"], &line["failure"]),
        (&101.into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&line["bytes_in"], &line["bytes_out"]),
        (&100_006.into(), &100_006.into())
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_websocket_outlives_a_reload() {
    let upstream = websocket_echo().await;
    let table = Gateway::table(&everything_to(&upstream.url()));
    let mut gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    shake_hands(&mut socket).await;
    let other = table.replace("name: everything", "name: renamed");
    gateway.edit(tests::Edit::Rename, &other).await;
    assert_eq!(echoed(&mut socket, "still there").await, "still there");
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_gives_an_ordinary_answer() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let head = shake_hands(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_route_may_refuse_to_leave_http() {
    let upstream = websocket_echo().await;
    let table = everything_to(&upstream.url()).replace(
        "to: { upstream: only }",
        "to: { upstream: only }, websocket: false",
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let head = shake_hands(&mut socket).await;
    assert!(
        head.starts_with("HTTP/1.1 426 "),
        "the upstream saw a plain GET: {head}"
    );
    let mut connect = h2_connection(&gateway).await;
    let (response, _stream) = connect.send_request(extended_connect(), false).unwrap();
    let response = within("an answer", PATIENCE, response).await.unwrap();
    assert_eq!(response.status(), 405);
}

async fn h2_connection(gateway: &Gateway) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let allowed = async {
        while !client.is_extended_connect_protocol_enabled() {
            client = client.clone().ready().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        client
    };
    within("extended CONNECT to be offered", PATIENCE, allowed).await
}

fn extended_connect() -> Request<()> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://localhost/chat")
        .header("sec-websocket-version", "13");
    let extensions = request.extensions_mut().unwrap();
    extensions.insert(Protocol::from_static("websocket"));
    request.body(()).unwrap()
}

#[tokio::test]
async fn a_websocket_over_http2_reaches_an_upstream_that_speaks_http1() {
    let upstream = websocket_echo().await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut client = h2_connection(&gateway).await;
    let (response, mut sending) = client.send_request(extended_connect(), false).unwrap();
    let response = within("an answer", PATIENCE, response).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut receiving = response.into_body();
    sending
        .send_data(Bytes::from_static(b"hello"), false)
        .unwrap();
    let data = within("the echo", PATIENCE, receiving.data()).await;
    assert_eq!(data.unwrap().unwrap(), "hello");
    sending.send_data(Bytes::new(), true).unwrap();
    let end = async {
        while let Some(rest) = receiving.data().await {
            assert_eq!(rest.unwrap(), "", "nothing but the end");
        }
    };
    within("the end", PATIENCE, end).await;
}

#[tokio::test]
async fn only_websocket_may_be_connected_to() {
    let upstream = websocket_echo().await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut client = h2_connection(&gateway).await;
    let mut request = extended_connect();
    request
        .extensions_mut()
        .insert(Protocol::from_static("connect-udp"));
    let (response, _stream) = client.send_request(request, false).unwrap();
    let response = within("an answer", PATIENCE, response).await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(upstream.connections(), 0);
}

/// A table whose upstream speaks HTTP/2 by prior knowledge.
fn over_http2_to(url: &str) -> String {
    everything_to(url).replace("] }", "], protocol: http2 }")
}

#[tokio::test]
async fn an_upstream_that_speaks_http2_is_asked_by_extended_connect() {
    let upstream = Speaking::plain(Spoken::HTTP2, websocket_over_http2()).await;
    let mut gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    assert_agreed(&shake_hands(&mut socket).await);
    // More than the stream's window.
    for text in ["one", &"x".repeat(1_000_000)] {
        assert_eq!(echoed(&mut socket, text).await, text);
    }
    socket.shutdown().await.unwrap();
    let rest = within("the end", PATIENCE, socket.read(&mut [0; 8])).await;
    assert_eq!(rest.unwrap(), 0, "the upstream has ended its stream too");
    let line = gateway.access_line("/chat").await;
    assert_eq!(
        (&line["status"], &line["failure"], &line["bytes_out"]),
        (&101.into(), &serde_json::Value::Null, &1_000_003.into())
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_websocket_passes_from_http2_to_http2() {
    let upstream = Speaking::plain(Spoken::HTTP2, websocket_over_http2()).await;
    let gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    let mut client = h2_connection(&gateway).await;
    for _ in 0..3 {
        let (response, mut sending) = client.send_request(extended_connect(), false).unwrap();
        let response = within("an answer", PATIENCE, response).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut receiving = response.into_body();
        sending
            .send_data(Bytes::from_static(b"hello"), false)
            .unwrap();
        let data = within("the echo", PATIENCE, receiving.data()).await;
        assert_eq!(data.unwrap().unwrap(), "hello");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_http2_upstream_that_does_not_agree_gives_an_ordinary_answer() {
    let upstream = Speaking::plain(Spoken::HTTP2, websocket_over_http2()).await;
    let gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let handshake = HANDSHAKE.replace("/chat", "/refused");
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let head = tests::upstream::read_head(&mut socket);
    let head = within("the handshake's answer", PATIENCE, head).await;
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
}

#[tokio::test]
async fn an_http2_upstream_that_offers_no_websocket_is_asked_over_http1() {
    // What speaks both without TLS tells them apart by the first bytes.
    let upstream = Rude::start(async |stream: TcpStream| {
        let mut first = [0; 3];
        let peeked = stream.peek(&mut first).await;
        if peeked.is_ok() && first == *b"PRI" {
            let Some(mut frames) = Frames::accept(stream).await else {
                return;
            };
            while let Some(stream) = frames.request().await {
                frames.answer(stream).await;
            }
        } else {
            answer_handshake(stream).await;
        }
    })
    .await;
    let gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    gateway.get("/").await.expect(200);
    for _ in 0..3 {
        let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
        let head = shake_hands(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(echoed(&mut socket, "one").await, "one");
    }
}

#[tokio::test]
async fn a_client_that_leaves_without_a_word_leaves_nothing_behind() {
    let upstream = Speaking::plain(Spoken::HTTP2, websocket_over_http2()).await;
    let mut gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
        shake_hands(&mut socket).await;
        assert_eq!(echoed(&mut socket, "one").await, "one");
        sockets.push(socket);
    }
    // Clients leave in the middle, without a word.
    sockets[0].set_zero_linger().unwrap();
    drop(sockets);
    eventually("nothing in flight", PATIENCE, async || {
        let open = gateway.metric("gateway_requests_in_flight", &[]).await;
        (open == 0.0).then_some(())
    })
    .await;
    gateway.assert_sound();
}
