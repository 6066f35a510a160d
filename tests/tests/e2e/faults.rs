//! Upstreams that hang, refuse, break off or talk nonsense.

use std::time::{Duration, Instant};

use tests::upstream::{Fake, Refused, Rude, echo};
use tests::{Gateway, PATIENCE, ReplyExt as _, assert_prompt, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{GATEWAY, everything_to};

#[tokio::test]
async fn a_monolith_that_hangs_is_504_at_the_routes_timeout_and_others_do_not_notice() {
    let (hanging, healthy) = (Rude::hanging().await, Fake::echo("healthy").await);
    let table = format!(
        r#"upstreams:
  legacy: {{ endpoints: ["{}"] }}
  service: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ prefix: /old }}, to: {{ upstream: legacy }}, timeout: 2s }}
  - {{ match: {{ prefix: /new }}, to: {{ upstream: service }} }}
"#,
        hanging.url(),
        healthy.url()
    );
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    // Connected beforehand: the test is not about the price of handshakes.
    let (patient, other) = (gateway.client(), gateway.client());
    for client in [&patient, &other] {
        client.get(gateway.https("/new")).reply().await.expect(200);
    }
    let started = Instant::now();
    let stuck: Vec<_> = (0..50)
        .map(|_| tokio::spawn(patient.get(gateway.https("/old")).reply()))
        .collect();
    let mut took = Vec::new();
    for _ in 0..20 {
        let asked = Instant::now();
        other.get(gateway.https("/new")).reply().await.expect(200);
        took.push(asked.elapsed());
    }
    assert_prompt(
        "a request beside stuck ones",
        took,
        Duration::from_millis(500),
    );
    for reply in stuck {
        reply.await.unwrap().expect_problem(504, "upstream_timeout");
    }
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(1900) && took < Duration::from_secs(10),
        "{took:?}"
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn an_upstream_that_refuses_is_a_bad_gateway() {
    let nobody = Refused::new();
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&nobody.url())).await;
    let reply = gateway.get("/").await;
    assert_eq!(reply.header("x-gateway-error"), "upstream_unreachable");
    assert!(
        !reply.body.contains("127.0.0.1"),
        "no inside address goes out: {}",
        reply.body
    );
    reply.expect_problem(502, "upstream_unreachable");
    gateway.assert_sound();
}

#[tokio::test]
async fn an_upstream_that_resets_is_asked_again_only_where_that_is_safe() {
    for (method, attempts) in [("GET", 2), ("POST", 1)] {
        let upstream = Rude::resetting().await;
        let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        let method = method.parse().unwrap();
        let reply = gateway
            .client()
            .request(method, gateway.https("/"))
            .reply()
            .await;
        reply.expect_problem(502, "upstream_reset");
        assert_eq!(upstream.connections(), attempts);
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn nonsense_from_upstream_is_a_bad_gateway() {
    for nonsense in [
        &b"SSH-2.0-OpenSSH_9.6\r\n\r\n"[..],
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ] {
        let upstream = Rude::saying(nonsense).await;
        let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        let reply = gateway.get("/").await;
        let what = String::from_utf8_lossy(nonsense);
        assert_eq!(reply.status, 502, "{what:?}: {reply:?}");
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{what:?}"
        );
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let upstream = Rude::saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for client in [gateway.client(), gateway.http1_client()] {
        let broken = match client.get(gateway.https("/")).send().await {
            Ok(response) => response.bytes().await.is_err(),
            Err(_) => true,
        };
        assert!(broken);
    }
    gateway.assert_sound();
}

/// A pool of these endpoints of which `extra` is said.
fn pool(urls: &[String], extra: &str) -> String {
    let urls: Vec<_> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    format!(
        r#"upstreams:
  pool: {{ endpoints: [{}]{extra} }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: pool }} }}
"#,
        urls.join(", ")
    )
}

#[tokio::test]
async fn with_one_of_two_endpoints_dead_every_request_is_answered_and_it_is_left_alone() {
    let (alive, dead) = (Fake::echo("alive").await, Refused::new());
    let table = pool(&[alive.url(), dead.url()], "");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    for turn in 0..60 {
        // A request that was never sent may go elsewhere, whatever its method.
        let request = match turn % 2 {
            0 => client.get(gateway.https("/")),
            _ => client.post(gateway.https("/")).body("x"),
        };
        request.reply().await.expect(200);
    }
    let name = dead.url().replace("http://", "");
    gateway
        .wait_for_state(
            &name,
            "unreachable",
            "connect failed: Connection refused (os error 111)",
        )
        .await;
    gateway.process.message("endpoint cannot be reached").await;
    let refused = ["outcome=\"connect_error\""];
    let tries = gateway
        .metric("gateway_upstream_requests_total", &refused)
        .await;
    assert!(tries < 10.0, "{tries} of 60 requests went there");
    gateway.assert_sound();
}

#[tokio::test]
async fn however_many_endpoints_are_dead_every_request_is_answered_by_the_one_that_is_not() {
    let alive = Fake::echo("alive").await;
    let dead = [Refused::new(), Refused::new(), Refused::new()];
    let mut urls: Vec<_> = dead.iter().map(Refused::url).collect();
    urls.push(alive.url());
    for extra in [
        "",
        ", balance: least_request",
        ", balance: round_robin",
        ", balance: random",
        ", balance: maglev",
        ", balance: bounded_maglev",
        // Most are unhealthy: panic, which is not to give up the one that is well.
        ", health: { tcp: true, interval: 100ms, unhealthy_after: 1 }",
        // The budget is for what a service has to bear.
        ", retry_budget: { percent: 0, floor: 0 }",
    ] {
        let mut gateway = Gateway::start(GATEWAY, &pool(&urls, extra)).await;
        let client = gateway.client();
        let ask = async || {
            for _ in 0..50 {
                client.get(gateway.https("/")).reply().await.expect(200);
            }
        };
        tokio::join!(ask(), ask(), ask(), ask());
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn an_endpoint_that_comes_back_serves_again() {
    let (one, dead) = (Fake::echo("one").await, Refused::new());
    let table = pool(&[one.url(), dead.url()], ", balance: round_robin");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    for _ in 0..4 {
        client.get(gateway.https("/")).reply().await.expect(200);
    }
    let back = dead.come_back(echo("back"));
    eventually(
        "a request at the one that came back",
        PATIENCE,
        async || {
            client.get(gateway.https("/")).reply().await.expect(200);
            (back.requests() > 0).then_some(())
        },
    )
    .await;
    gateway
        .process
        .message("endpoint can be reached again")
        .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn after_a_storm_of_faults_nothing_is_left_in_flight() {
    let (hanging, resetting) = (Rude::hanging().await, Rude::resetting().await);
    let (nonsense, healthy) = (
        Rude::saying(b"nonsense\r\n\r\n").await,
        Fake::echo("healthy").await,
    );
    let upstreams = [
        hanging.url(),
        resetting.url(),
        nonsense.url(),
        healthy.url(),
    ];
    let rows: String = (0..upstreams.len())
        .map(|n| {
            format!(
                "  - {{ match: {{ prefix: /{n} }}, to: {{ upstream: u{n} }}, timeout: 500ms }}\n"
            )
        })
        .collect();
    let pools: String = upstreams
        .iter()
        .enumerate()
        .map(|(n, url)| format!("  u{n}: {{ endpoints: [\"{url}\"] }}\n"))
        .collect();
    let table = format!("upstreams:\n{pools}routes:\n{rows}");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.http1_client();
    let storm: Vec<_> = (0..200)
        .map(|turn| {
            let request = client.get(gateway.https(&format!("/{}", turn % 4)));
            // Every fifth client leaves before its answer.
            let patience = if turn % 5 == 0 {
                Duration::from_millis(50)
            } else {
                PATIENCE
            };
            tokio::spawn(tokio::time::timeout(patience, request.send()))
        })
        .collect();
    for one in storm {
        // What each got was judged by other tests.
        let _ = one.await.unwrap();
    }
    eventually("all requests to have ended", PATIENCE, async || {
        let left = gateway.metric("gateway_requests_in_flight", &[]).await;
        (left.abs() < 0.1).then_some(())
    })
    .await;
    let page = gateway.admin("/upstreams").await.expect(200).json();
    for upstream in page["items"].as_array().unwrap() {
        for endpoint in upstream["endpoints"].as_array().unwrap() {
            assert_eq!(endpoint["in_flight"], 0, "{upstream}");
        }
    }
    client.get(gateway.https("/3")).reply().await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn an_upstream_that_answers_before_it_has_read_everything_is_heard() {
    for announced in ["connection: close\r\n", ""] {
        let hasty = Rude::start(move |mut connection: TcpStream| async move {
            tests::upstream::read_head(&mut connection).await;
            let head = format!("HTTP/1.1 422 Unprocessable\r\ncontent-length: 3\r\n{announced}");
            let answer = format!("{head}\r\nno\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
            // What is left unread makes this close a reset.
        })
        .await;
        let mut gateway = Gateway::start(GATEWAY, &everything_to(&hasty.url())).await;
        for client in [gateway.client(), gateway.http1_client()] {
            for _ in 0..10 {
                let request = client.post(gateway.https("/x")).body(vec![b'x'; 2 << 20]);
                assert_eq!(request.reply().await.expect(422).body, "no\n");
            }
        }
        let ejections = gateway
            .metric("gateway_upstream_ejections_total", &[])
            .await;
        assert!(
            ejections <= 0.0,
            "a client must not be able to eject an endpoint"
        );
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_can_send_on_and_reads_why() {
    let upstream = Fake::echo("only").await;
    let table = everything_to(&upstream.url()).replace(
        "to: { upstream: only }",
        "to: { upstream: only }, body_limit: 64KiB",
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    for _ in 0..10 {
        let mut connection = TcpStream::connect(gateway.address("plain")).await.unwrap();
        let head = format!(
            "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            2 << 20
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection
            .write_all(&vec![b'x'; 2 << 20])
            .await
            .expect("nobody hangs up");
        let mut answer = String::new();
        let reading = connection.read_to_string(&mut answer);
        tests::within("the answer", PATIENCE, reading)
            .await
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}
