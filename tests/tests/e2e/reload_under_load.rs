//! A hundred reloads touch nothing that they are not about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::load::{Load, assert_all};
use tests::upstream::{Fake, event_stream, read_head, websocket_echo};
use tests::{Edit, Gateway, PATIENCE, Signal, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::GATEWAY;

const RELOADS: usize = 100;

/// Only the last route differs from one generation to the next.
fn table(chat: &str, events: &str, files: &str, generation: usize) -> String {
    Gateway::table(&format!(
        r#"upstreams:
  chat: {{ endpoints: ["{chat}"] }}
  events: {{ endpoints: ["{events}"] }}
  files: {{ endpoints: ["{files}"] }}
routes:
  - {{ match: {{ path: /chat }}, to: {{ upstream: chat }} }}
  - {{ match: {{ path: /events }}, to: {{ upstream: events }} }}
  - {{ match: {{ path: /files }}, to: {{ upstream: files }} }}
  - {{ match: {{ path: "/generations/{generation}" }}, to: {{ respond: {{ body: "{generation}" }} }} }}
"#
    ))
}

/// Sends a byte every ten milliseconds until it is told to end; returns the whole answer.
async fn upload(mut connection: TcpStream, ended: Arc<AtomicBool>) -> String {
    let head = b"POST /files HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n";
    connection.write_all(head).await.unwrap();
    while !ended.load(Ordering::Relaxed) {
        connection.write_all(b"1\r\nx\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn open_websocket(gateway: &Gateway) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let handshake = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let head = within("the handshake", PATIENCE, read_head(&mut socket)).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_touch_no_websocket_no_stream_and_no_upload() {
    let (chat, files) = (websocket_echo().await, Fake::echo("files").await);
    let (events, sender) = event_stream().await;
    let table = |generation| table(&chat.url(), &events.url(), &files.url(), generation);
    let mut gateway = Gateway::start_table(GATEWAY, &table(0), &[]).await;

    let mut socket = open_websocket(&gateway).await;
    let client = gateway.client();
    let mut stream = client.get(gateway.https("/events")).send().await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let connection = TcpStream::connect(gateway.address("plain")).await.unwrap();
    let uploading = tokio::spawn(upload(connection, Arc::clone(&ended)));
    let (clients, url) = (
        [gateway.client(), gateway.http1_client()],
        gateway.https("/files"),
    );
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let load = Load::start(100, move || {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        clients[turn % 2].get(&url)
    });

    for generation in 1..=RELOADS {
        let mark = gateway.process.mark();
        gateway.save(Edit::Rename, &table(generation));
        gateway.process.signal(Signal::HUP);
        gateway
            .process
            .message_after(mark, "route table applied")
            .await;
        if generation % 10 == 0 {
            socket.write_all(b"ping").await.unwrap();
            let mut back = [0; 4];
            within("the echo", PATIENCE, socket.read_exact(&mut back))
                .await
                .unwrap();
            sender.send("data: on\n\n").await.unwrap();
            let event = within("the event", PATIENCE, stream.chunk()).await;
            assert_eq!(event.unwrap().unwrap(), "data: on\n\n");
        }
    }
    ended.store(true, Ordering::Relaxed);
    let uploaded = within("the upload", PATIENCE, uploading).await.unwrap();
    assert!(uploaded.starts_with("HTTP/1.1 200"), "{uploaded}");
    assert_all(&load.finish().await, 200);
    gateway.assert_sound();
}
