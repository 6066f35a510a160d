//! Second attempts, and when there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::any;
use futures_util::future::join_all;
use tests::upstream::{Fake, Rude};
use tests::{Gateway, PATIENCE, ReplyExt as _, eventually};

use crate::{GATEWAY, everything_to};

/// Fails so many times with a status and headers, then echoes the request's body.
async fn failing(times: usize, status: u16, headers: HeaderMap) -> Fake {
    let left = Arc::new(AtomicUsize::new(times));
    let answer = move |body: Bytes| {
        let failing = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        let headers = headers.clone();
        async move {
            if failing {
                (StatusCode::from_u16(status).unwrap(), headers, Bytes::new())
            } else {
                (StatusCode::OK, HeaderMap::new(), body)
            }
        }
    };
    Fake::start(Router::new().fallback(any(answer))).await
}

fn route(url: &str, keys: &str) -> String {
    everything_to(url).replace(
        "to: { upstream: only }",
        &format!("to: {{ upstream: only }}, {keys}"),
    )
}

#[tokio::test]
async fn a_failed_answer_is_asked_for_again_where_that_is_safe() {
    for (method, status, attempts) in [
        (Method::GET, 503, 2),
        (Method::PUT, 502, 2),
        (Method::DELETE, 504, 2),
        (Method::POST, 503, 1),
        (Method::GET, 500, 1),
    ] {
        let upstream = failing(1, status, HeaderMap::new()).await;
        let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        let request = gateway
            .client()
            .request(method.clone(), gateway.https("/x"));
        let reply = request.body("the body").reply().await;
        assert_eq!(upstream.requests(), attempts, "{method} {status}");
        if attempts == 2 {
            assert_eq!(
                reply.expect(200).body,
                "the body",
                "{method}: it was sent whole again"
            );
        } else {
            assert_eq!(reply.status.as_u16(), status);
        }
    }
}

#[tokio::test]
async fn a_route_says_what_is_asked_for_again() {
    for (keys, method, attempts) in [
        ("retries: 0", Method::GET, 1),
        ("retries: 3", Method::GET, 4),
        ("retries: { on: [502] }", Method::GET, 1),
        ("retries: { any_method: true }", Method::POST, 2),
    ] {
        let upstream = failing(9, 503, HeaderMap::new()).await;
        let gateway = Gateway::start(GATEWAY, &route(&upstream.url(), keys)).await;
        let request = gateway.client().request(method, gateway.https("/x"));
        request.reply().await.expect(503);
        assert_eq!(upstream.requests(), attempts, "{keys}");
    }
}

#[tokio::test]
async fn a_body_too_large_to_remember_is_sent_once() {
    let upstream = failing(1, 503, HeaderMap::new()).await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let request = gateway.client().put(gateway.https("/x"));
    request.body("x".repeat(100_000)).reply().await.expect(503);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn an_upstream_that_asks_for_time_gets_it() {
    let headers = |seconds: &str| {
        HeaderMap::from_iter([("retry-after".parse().unwrap(), seconds.parse().unwrap())])
    };
    let patient = failing(1, 503, headers("1")).await;
    let keys = "retries: { attempts: 1, max_backoff: 2s }";
    let gateway = Gateway::start(GATEWAY, &route(&patient.url(), keys)).await;
    let started = Instant::now();
    gateway.get("/x").await.expect(200);
    assert!(started.elapsed() >= Duration::from_secs(1));

    let long = failing(1, 503, headers("60")).await;
    let gateway = Gateway::start(GATEWAY, &route(&long.url(), keys)).await;
    let reply = gateway.get("/x").await.expect(503);
    assert_eq!(
        reply.header("retry-after"),
        "60",
        "the client is told instead"
    );
    assert_eq!(long.requests(), 1);
}

#[tokio::test]
async fn one_attempts_time_may_be_less_than_the_requests() {
    let (hanging, well) = (Rude::hanging().await, Fake::echo("well").await);
    let table = format!(
        r#"upstreams:
  only: {{ endpoints: ["{}", "{}"], balance: round_robin }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: only }}, try_timeout: 300ms, retries: {{ on: [timeout] }} }}
"#,
        hanging.url(),
        well.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    for _ in 0..4 {
        gateway.get("/x").await.expect(200);
    }
}

/// A retry storm: every request fails, and each may be tried five times more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_everything_sees_a_fifth_more_and_the_floor() {
    let upstream = failing(usize::MAX, 503, HeaderMap::new()).await;
    let keys = "retries: { attempts: 5, backoff: 1ms, max_backoff: 1ms }";
    let table = route(&upstream.url(), keys).replace(
        "endpoints: [",
        "retry_budget: { percent: 20, floor: 1 }, endpoints: [",
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let (client, url) = (gateway.client(), gateway.https("/x"));
    let mut sent = 0;
    for _ in 0..20 {
        let requests = (0..50).map(|_| client.get(&url).reply());
        for reply in join_all(requests).await {
            reply.expect(503);
            sent += 1;
        }
    }
    // Two workers may each take the last of the budget at once.
    let most = sent + sent / 5 + 10 + 2;
    let seen = upstream.requests();
    assert!(
        seen > sent && seen <= most,
        "{seen} for {sent}, at most {most}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_circuit_bears_is_refused_at_once_and_nothing_leaks() {
    let upstream = Rude::hanging().await;
    let table = route(&upstream.url(), "timeout: 1s")
        .replace("endpoints: [", "circuit: { requests: 5 }, endpoints: [");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let (client, url) = (gateway.client(), gateway.https("/x"));
    let replies = join_all((0..20).map(|_| client.get(&url).reply())).await;
    let (mut open, mut late) = (0, 0);
    for reply in replies {
        match reply.status.as_u16() {
            503 => {
                open += 1;
                assert_eq!(reply.header("retry-after"), "1");
                reply.expect_problem(503, "circuit_open");
            }
            _ => {
                late += 1;
                reply.expect_problem(504, "upstream_timeout");
            }
        }
    }
    assert_eq!((open, late), (15, 5));
    let quiet =
        async || (gateway.metric("gateway_requests_in_flight", &[]).await == 0.0).then_some(());
    eventually("nothing in flight", PATIENCE, quiet).await;
    client
        .get(&url)
        .reply()
        .await
        .expect_problem(504, "upstream_timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_overload_the_least_important_ends_first() {
    let upstream = Rude::hanging().await;
    let table = format!(
        r#"overload: {{ requests: 10 }}
upstreams:
  only: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ prefix: /stuck }}, to: {{ upstream: only }}, priority: high, timeout: 5s }}
  - {{ match: {{ path: /low }}, to: {{ respond: {{ body: "low" }} }}, priority: low }}
  - {{ match: {{ path: /normal }}, to: {{ respond: {{ body: "normal" }} }} }}
  - {{ match: {{ path: /high }}, to: {{ respond: {{ body: "high" }} }}, priority: high }}
"#,
        upstream.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let mut stuck = Vec::new();
    for (open, low, normal) in [(8, 503, 200), (9, 503, 503)] {
        while stuck.len() < open {
            let request = client.get(gateway.https("/stuck")).reply();
            stuck.push(tokio::spawn(request));
        }
        let full = async || {
            (gateway.metric("gateway_requests_in_flight", &[]).await == open as f64).then_some(())
        };
        eventually("requests to be stuck", PATIENCE, full).await;
        for (path, status) in [("/low", low), ("/normal", normal), ("/high", 200)] {
            let reply = client.get(gateway.https(path)).reply().await;
            assert_eq!(reply.status.as_u16(), status, "{path} with {open} open");
        }
    }
    let reply = client.get(gateway.https("/low")).reply().await;
    reply.expect_problem(503, "overloaded");
}
