//! The running binary is replaced, and nobody notices.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use tests::load::{Load, assert_all};
use tests::upstream::Fake;
use tests::{Edit, Gateway, PATIENCE, Process, ReplyExt as _, Signal, eventually, within};

use crate::{GATEWAY, everything_to};

/// Waits until a successor serves; returns its process id.
async fn successor(gateway: &Gateway, mark: usize) -> u32 {
    let line = gateway
        .process
        .message_after(mark, "the successor serves")
        .await;
    u32::try_from(line["pid"].as_u64().unwrap()).unwrap()
}

async fn upstream() -> Fake {
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        "done"
    };
    let events = async || {
        Body::from_stream(stream::unfold(0, async |turn| {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let event = Ok::<_, std::io::Error>(Bytes::from(format!("data: {turn}\n\n")));
            (turn < 15).then_some((event, turn + 1))
        }))
    };
    Fake::start(
        Router::new()
            .route("/slow", get(slow))
            .route("/events", get(events))
            .fallback(async || "quick"),
    )
    .await
}

#[tokio::test]
async fn under_load_no_request_fails() {
    let upstream = upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let (h2, http1, fresh) = (
        gateway.client(),
        gateway.http1_client(),
        gateway.http1_client(),
    );
    let (https, plain) = (gateway.https("/"), gateway.http("plain", "/"));
    let loads = [
        // Slow enough never to have more open than one connection may: the client's library takes one that
        // waits for its turn, and was never sent, for a failure when the connection ends.
        Load::start(25, {
            let url = https.clone();
            move || h2.get(&url)
        }),
        Load::start(25, {
            let url = https.clone();
            move || http1.get(&url)
        }),
        // A connection each: they come through the queues.
        Load::start(50, move || fresh.get(&plain).header("connection", "close")),
        Load::start(20, {
            let (client, url) = (gateway.client(), https);
            // Not repeated by the client when its connection is closed under it.
            move || client.post(&url).body("x")
        }),
    ];
    for load in &loads {
        load.answers(20).await;
    }
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    let pid = successor(&gateway, mark).await;
    assert_ne!(pid, gateway.process.pid());
    for load in &loads {
        load.answers(50).await;
    }
    let ended = gateway.process.ended(PATIENCE).await;
    assert!(ended.success(), "{}", gateway.process.tail());
    for load in &loads {
        load.answers(20).await;
    }
    for load in loads {
        assert_all(&load.finish().await, 200);
    }
    gateway.admin("/readyz").await.expect(200);
}

/// Asks again and again on one connection until told by `Connection: close` that it ends, then on the
/// next one. A connection that ends in any other way is a failure: this client repeats nothing.
async fn ask_strictly(addr: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut connection = TcpStream::connect(addr).await.unwrap();
        loop {
            let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
            connection.write_all(request).await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\nquick") {
                let read = connection.read_buf(&mut bytes).await.unwrap();
                assert!(read > 0, "{answers} answers, then {bytes:?}");
            }
            answers += 1;
            let answer = String::from_utf8_lossy(&bytes);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            if answer.contains("connection: close") || stop.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    answers
}

#[tokio::test]
async fn clients_that_repeat_nothing_notice_nothing() {
    let upstream = upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| tokio::spawn(ask_strictly(gateway.address("plain"), Arc::clone(&stop))))
        .collect();
    eventually("some answers", PATIENCE, async || {
        (upstream.requests() > 100).then_some(())
    })
    .await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    successor(&gateway, mark).await;
    assert!(gateway.process.ended(PATIENCE).await.success());
    let so_far = upstream.requests();
    eventually("some more answers", PATIENCE, async || {
        (upstream.requests() > so_far + 100).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 1);
    }
}

#[tokio::test]
async fn requests_and_streams_under_way_are_finished_by_the_old_process() {
    let upstream = upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let clients = [gateway.client(), gateway.http1_client()];
    let under_way: Vec<_> = clients
        .iter()
        .flat_map(|client| ["/slow", "/events"].map(|path| (client, gateway.https(path))))
        .map(|(client, url)| tokio::spawn(client.get(url).reply()))
        .collect();
    eventually("the requests at the upstream", PATIENCE, async || {
        (upstream.requests() == 4).then_some(())
    })
    .await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    successor(&gateway, mark).await;
    for reply in under_way {
        let body = reply.await.unwrap().expect(200).body;
        assert!(body == "done" || body.ends_with("data: 14\n\n"), "{body}");
    }
    assert!(gateway.process.ended(PATIENCE).await.success());
    gateway.get("/").await.expect(200);
}

#[tokio::test]
async fn a_successor_can_be_succeeded() {
    let upstream = upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    let second = successor(&gateway, mark).await;
    assert!(gateway.process.ended(PATIENCE).await.success());
    let mark = gateway.process.mark();
    Process::signal_successor(second, Signal::USR2);
    let third = successor(&gateway, mark).await;
    assert_ne!(second, third);
    gateway.process.message_after(mark, "stopped").await;
    gateway.get("/").await.expect(200);
    Process::signal_successor(third, Signal::TERM);
}

#[tokio::test]
async fn a_successor_that_cannot_start_leaves_the_old_process_serving() {
    let upstream = upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let good = Gateway::table(&everything_to(&upstream.url()));
    gateway.save(
        Edit::Rename,
        &good.replace("upstream: only", "upstream: onyl"),
    );
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    let line = gateway
        .process
        .message_after(mark, "upgrade failed; this process serves on")
        .await;
    let error = line["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("routes.yaml") && error.contains("onyl"),
        "{line}"
    );
    gateway.get("/").await.expect(200);
    gateway.admin("/readyz").await.expect(200);
    gateway.assert_sound();
    // And is upgraded once that is mended.
    gateway
        .edit(Edit::Rename, &format!("{good}# mended\n"))
        .await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    successor(&gateway, mark).await;
    gateway.get("/").await.expect(200);
}

#[tokio::test]
async fn a_service_manager_passes_sockets_and_hears_what_happens() {
    let upstream = upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let heard = UnixDatagram::bind(&socket).unwrap();
    heard.set_nonblocking(true).unwrap();
    let heard = tokio::net::UnixDatagram::from_std(heard).unwrap();
    let hear = async |wanted: &str| {
        let mut bytes = [0; 4096];
        let heard = async {
            loop {
                let count = heard.recv(&mut bytes).await.unwrap();
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                if text.contains(wanted) {
                    return text;
                }
            }
        };
        within(wanted, PATIENCE, heard).await
    };
    let (edge, named) = (
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let (edge_addr, named_addr) = (edge.local_addr().unwrap(), named.local_addr().unwrap());
    let table = format!(
        "version: 1\nlisteners:\n  - {{ name: by-address, bind: \"{edge_addr}\" }}\n  \
         - {{ name: by-name, bind: \"127.0.0.1:1\" }}\nadmin: {{ bind: \"127.0.0.1:0\" }}\n{}",
        everything_to(&upstream.url())
    );
    let environment = [
        ("NOTIFY_SOCKET", socket.display().to_string()),
        ("LISTEN_FDNAMES", "gateway.socket:by-name".to_owned()),
    ];
    let sockets: Vec<OwnedFd> = vec![edge.into(), named.into()];
    let mut gateway = Gateway::start_with_sockets(GATEWAY, &table, &environment, sockets).await;
    let pid = gateway.process.pid();
    let ready = hear("READY=1").await;
    assert!(ready.contains(&format!("MAINPID={pid}")), "{ready}");
    let client = tests::plain_client();
    let ask = async |addr| {
        let reply = client.get(format!("http://{addr}/")).reply().await;
        reply.expect(200);
    };
    ask(edge_addr).await;
    ask(named_addr).await;

    gateway.process.signal(Signal::HUP);
    let reloading = hear("RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    hear("READY=1").await;

    let mark = gateway.process.mark();
    gateway.process.signal(Signal::USR2);
    let second = successor(&gateway, mark).await;
    hear(&format!("MAINPID={second}")).await;
    assert!(gateway.process.ended(PATIENCE).await.success());
    ask(edge_addr).await;
    ask(named_addr).await;

    Process::signal_successor(second, Signal::TERM);
    hear("STOPPING=1").await;
}
