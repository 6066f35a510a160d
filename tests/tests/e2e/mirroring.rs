//! Copies of requests: who gets them, what they say, and that nobody waits for them.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use reqwest::Method;
use tests::upstream::{Fake, Received, Recording, Refused, Rude, Seen, echo};
use tests::{Gateway, PATIENCE, ReplyExt as _, assert_prompt, eventually};

use crate::GATEWAY;

/// Every request to `serving`, and copies by these keys to `mirror`.
fn mirrored(serving: &str, mirror: &str, keys: &str) -> String {
    format!(
        r#"upstreams:
  serving: {{ endpoints: ["{serving}"] }}
  mirror: {{ endpoints: ["{mirror}"] }}
routes:
  - match: {{ prefix: / }}
    to: {{ upstream: serving }}
    mirror: {{ upstream: mirror{keys} }}
"#
    )
}

async fn outcomes(gateway: &Gateway, outcome: &str) -> f64 {
    let labels = [
        "upstream=\"mirror\"".to_owned(),
        format!("outcome=\"{outcome}\""),
    ];
    let labels = labels.each_ref().map(String::as_str);
    gateway
        .metric("gateway_mirrored_requests_total", &labels)
        .await
}

/// Waits until so many copies have ended so.
async fn wait_for(gateway: &Gateway, outcome: &str, count: f64) {
    let what = format!("{count} copies to be counted as {outcome}");
    eventually(&what, PATIENCE, async || {
        (outcomes(gateway, outcome).await >= count).then_some(())
    })
    .await;
}

/// What `/upstreams` says of the mirror.
async fn mirror_page(gateway: &Gateway) -> serde_json::Value {
    let page = gateway.admin("/upstreams").await.expect(200).json();
    let mut all = page["items"].as_array().unwrap().iter();
    let mirror = all.find(|upstream| upstream["name"] == "mirror");
    mirror.expect("the mirror")["mirror"].clone()
}

/// Waits until nothing is under way to the mirror.
async fn wait_for_rest(gateway: &Gateway) {
    eventually("no copy to be under way", PATIENCE, async || {
        (mirror_page(gateway).await["copies"] == 0).then_some(())
    })
    .await;
}

/// The next request that came in whole.
async fn next_request(recording: &Recording) -> Received {
    eventually("a copy to arrive", PATIENCE, async || {
        recording.take().pop().map(whole)
    })
    .await
}

#[track_caller]
fn whole(seen: Seen) -> Received {
    let Seen::Request(request) = seen else {
        unreachable!("{seen:?}");
    };
    request
}

#[tokio::test]
async fn a_mirror_gets_what_the_upstream_gets_and_is_told_that_it_is_a_copy() {
    let (serving, mirror) = (Recording::start().await, Recording::start().await);
    let table = mirrored(&serving.url(), &mirror.url(), "");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let request = gateway.client().get(gateway.https("/a/./b?c=d"));
    let request = request
        .header("x-own", "kept")
        .header("cookie", "session=1")
        .header("x-real-ip", "6.6.6.6");
    request.reply().await.expect(200);
    let (real, copy) = (next_request(&serving).await, next_request(&mirror).await);
    assert_eq!(copy.line, "GET /a/b?c=d HTTP/1.1");
    assert_eq!(copy.line, real.line);
    assert_eq!(copy.values("x-shadow"), ["1"]);
    assert!(real.values("x-shadow").is_empty());
    // One trace, a span each.
    let trace = |request: &Received| {
        let mut parts = request.values("traceparent")[0].split('-').skip(1);
        (
            parts.next().unwrap().to_owned(),
            parts.next().unwrap().to_owned(),
        )
    };
    let ((real_trace, real_span), (copy_trace, copy_span)) = (trace(&real), trace(&copy));
    assert_eq!(real_trace, copy_trace);
    assert_ne!(real_span, copy_span);
    let without_own = |request: &Received| {
        let mut fields = request.fields.clone();
        fields.retain(|(name, _)| name != "x-shadow" && name != "traceparent");
        fields.sort();
        fields
    };
    assert_eq!(without_own(&copy), without_own(&real));
}

#[tokio::test]
async fn a_client_cannot_pass_a_request_off_as_a_copy() {
    let (serving, mirror) = (Recording::start().await, Recording::start().await);
    let table = mirrored(&serving.url(), &mirror.url(), "");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let request = gateway.client().get(gateway.https("/"));
    request.header("x-shadow", "1").reply().await.expect(200);
    assert!(next_request(&serving).await.values("x-shadow").is_empty());
    assert_eq!(next_request(&mirror).await.values("x-shadow"), ["1"]);
}

#[tokio::test]
async fn what_may_change_something_is_not_copied_unless_the_mirror_is_isolated() {
    let serving = Fake::echo("serving").await;
    for (keys, copied) in [("", false), (", unsafe: isolated", true)] {
        let mirror = Recording::start().await;
        let table = mirrored(&serving.url(), &mirror.url(), keys);
        let gateway = Gateway::start(GATEWAY, &table).await;
        let changing = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for method in changing.clone() {
            let request = gateway.client().request(method, gateway.https("/orders"));
            request.body("two pieces").reply().await.expect(200);
        }
        gateway.get("/last").await.expect(200);
        let wanted = if copied { 5.0 } else { 1.0 };
        wait_for(&gateway, "answered", wanted).await;
        let seen = mirror.take().into_iter().map(whole);
        let mut lines: Vec<_> = seen.map(|request| (request.line, request.body)).collect();
        lines.sort();
        let mut expected = vec![("GET /last HTTP/1.1".to_owned(), String::new())];
        if copied {
            expected.extend(changing.map(|method| {
                let line = format!("{method} /orders HTTP/1.1");
                (line, "two pieces".to_owned())
            }));
        }
        expected.sort();
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_served_and_not_copied() {
    let (serving, mirror) = (Fake::echo("serving").await, Recording::start().await);
    let table = mirrored(&serving.url(), &mirror.url(), ", unsafe: isolated");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let large = "x".repeat(300_000);
    let post = || gateway.client().post(gateway.https("/"));
    post().body(large.clone()).reply().await.expect(200);
    // Without an announced length it is found out on the way.
    let mut raw = gateway.raw_tls(b"http/1.1").await;
    raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..30 {
        let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
        raw.send(chunk.as_bytes()).await;
    }
    raw.send(b"0\r\n\r\n").await;
    wait_for(&gateway, "body_too_large", 2.0).await;
    assert!(mirror.take().is_empty());
    wait_for_rest(&gateway).await;
}

#[tokio::test]
async fn the_client_gets_the_upstreams_answer_whatever_the_mirror_says() {
    let serving = Fake::echo("serving").await;
    let failing =
        Router::new().fallback(any(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no") }));
    let mirror = Fake::start(failing).await;
    let table = mirrored(&serving.url(), &mirror.url(), "");
    let gateway = Gateway::start(GATEWAY, &table).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/x").await.expect(200).served_by(), "serving");
    }
    // That it fails is an answer too: somebody may want to see all of them.
    wait_for(&gateway, "server_error", 20.0).await;
    assert_eq!(mirror.requests(), 20);
    wait_for_rest(&gateway).await;
}

#[tokio::test]
async fn a_share_of_the_requests_is_copied() {
    let (serving, mirror) = (Fake::echo("serving").await, Fake::echo("mirror").await);
    let table = mirrored(&serving.url(), &mirror.url(), ", percent: 25");
    let gateway = Gateway::start(GATEWAY, &table).await;
    for _ in 0..400 {
        gateway.get("/x").await.expect(200);
    }
    wait_for_rest(&gateway).await;
    let copied = mirror.requests();
    // Ten standard deviations.
    assert!((14..=186).contains(&copied), "{copied} of 400");
}

#[tokio::test]
async fn a_mirror_that_hangs_costs_nobody_anything_and_is_left_alone() {
    let (serving, mirror) = (Fake::echo("serving").await, Rude::hanging().await);
    let table =
        mirrored(&serving.url(), &mirror.url(), "").replace("to:", "timeout: 500ms\n    to:");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let mut took = Vec::new();
    for _ in 0..200 {
        let started = std::time::Instant::now();
        gateway.get("/x").await.expect(200);
        took.push(started.elapsed());
    }
    assert_prompt("requests", took, Duration::from_millis(400));
    wait_for(&gateway, "timeout", 5.0).await;
    eventually("the mirror to be left alone", PATIENCE, async || {
        gateway.get("/x").await.expect(200);
        (outcomes(&gateway, "mirror_failing").await > 0.0).then_some(())
    })
    .await;
    wait_for_rest(&gateway).await;
}

#[tokio::test]
async fn a_mirror_that_comes_back_gets_copies_again() {
    let serving = Fake::echo("serving").await;
    let away = Refused::new();
    let table = mirrored(&serving.url(), &away.url(), "");
    let gateway = Gateway::start(GATEWAY, &table).await;
    eventually("the mirror to be left alone", PATIENCE, async || {
        gateway.get("/x").await.expect(200);
        let page = mirror_page(&gateway).await;
        page["paused_until"].is_string().then_some(())
    })
    .await;
    let mirror = away.come_back(echo("mirror"));
    eventually("copies to arrive again", PATIENCE, async || {
        gateway.get("/x").await.expect(200);
        (outcomes(&gateway, "answered").await > 3.0).then_some(())
    })
    .await;
    assert!(mirror.requests() > 3);
}

#[tokio::test]
async fn a_mirror_that_serves_the_route_itself_gets_no_copies() {
    let (old, new) = (Fake::echo("old").await, Fake::echo("new").await);
    let table = |stage: &str| {
        format!(
            r#"upstreams:
  serving: {{ endpoints: ["{}"] }}
  mirror: {{ endpoints: ["{}"] }}
migrations:
  shop: {{ from: serving, to: mirror, stage: {stage} }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ migration: shop }}, mirror: {{ upstream: mirror }} }}
"#,
            old.url(),
            new.url()
        )
    };
    let gateway = Gateway::start(GATEWAY, &table("monolith")).await;
    gateway.get("/x").await.expect(200);
    wait_for(&gateway, "answered", 1.0).await;
    assert_eq!((old.requests(), new.requests()), (1, 1));

    let gateway = Gateway::start(GATEWAY, &table("service")).await;
    for _ in 0..5 {
        gateway.get("/x").await.expect(200);
    }
    wait_for_rest(&gateway).await;
    assert_eq!((old.requests(), new.requests()), (1, 6));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_copied() {
    let (serving, mirror) = (Fake::echo("serving").await, Recording::start().await);
    let table = mirrored(&serving.url(), &mirror.url(), ", unsafe: isolated");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let mut raw = gateway.raw_tls(b"http/1.1").await;
    raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        .await;
    drop(raw);
    wait_for(&gateway, "body_incomplete", 1.0).await;
    assert!(mirror.take().is_empty());
    wait_for_rest(&gateway).await;
}

#[tokio::test]
async fn copies_that_hang_keep_nobody_out_of_the_mirrors_circuit() {
    let serving = Fake::echo("serving").await;
    // Answers its own requests, and no copies.
    let mirror = Router::new().fallback(any(async |headers: HeaderMap| {
        if headers.contains_key("x-shadow") {
            std::future::pending::<()>().await;
        }
    }));
    let mirror = Fake::start(mirror).await;
    let table = format!(
        r#"upstreams:
  serving: {{ endpoints: ["{}"] }}
  mirror: {{ endpoints: ["{}"], circuit: {{ requests: 1 }} }}
routes:
  - {{ match: {{ path: /copied }}, to: {{ upstream: serving }}, mirror: {{ upstream: mirror }} }}
  - {{ match: {{ path: /own }}, to: {{ upstream: mirror }} }}
"#,
        serving.url(),
        mirror.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    for _ in 0..10 {
        gateway.get("/copied").await.expect(200);
    }
    eventually("the copies to arrive", PATIENCE, async || {
        (mirror.requests() == 10).then_some(())
    })
    .await;
    gateway.get("/own").await.expect(200);
    let labels = ["upstream=\"mirror\""];
    let attempts = gateway
        .metric("gateway_upstream_requests_total", &labels)
        .await;
    assert!(attempts < 1.5, "{attempts}: copies are no attempts");
}

#[tokio::test]
async fn a_mirror_that_is_slower_than_its_traffic_gets_less_of_it_and_is_not_failing() {
    let serving = Fake::echo("serving").await;
    let slow = Router::new().fallback(any(async || {
        tokio::time::sleep(Duration::from_millis(900)).await;
    }));
    let mirror = Fake::start(slow).await;
    let table = mirrored(&serving.url(), &mirror.url(), "").replace("to:", "timeout: 3s\n    to:");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let ask = async || {
        for _ in 0..100 {
            client.get(gateway.https("/")).reply().await.expect(200);
        }
    };
    tokio::join!(ask(), ask(), ask(), ask());
    wait_for_rest(&gateway).await;
    // 64 at once, each for 0.9 s: those that cannot begin within 3 s never do.
    assert!(outcomes(&gateway, "too_late").await > 0.0);
    assert!(outcomes(&gateway, "answered").await >= 64.0);
    let failed = outcomes(&gateway, "timeout").await + outcomes(&gateway, "mirror_failing").await;
    assert!(failed < 0.5, "{failed} copies were held against it");
}

#[tokio::test]
async fn explain_says_whether_a_request_would_be_copied() {
    let (serving, mirror) = (Fake::echo("serving").await, Fake::echo("mirror").await);
    let table = mirrored(&serving.url(), &mirror.url(), ", percent: 20");
    let gateway = Gateway::start(GATEWAY, &table).await;
    for (method, expected) in [
        ("GET", "20 % of them copied to mirror"),
        ("POST", "not copied to mirror"),
    ] {
        let question = serde_json::json!({ "method": method, "url": "https://localhost/x" });
        let request = tests::plain_client()
            .post(gateway.http("admin", "/explain"))
            .body(question.to_string())
            .header("content-type", "application/json");
        let report = request.reply().await.expect(200).json();
        assert_eq!(report["to"]["mirror"], expected, "{report}");
    }
}
