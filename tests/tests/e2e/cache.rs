//! Answers that are kept: when, for whom, and what ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tests::upstream::Fake;
use tests::{Edit, Gateway, PATIENCE, Reply, ReplyExt as _, eventually, plain_client};
use tokio::sync::Semaphore;

use crate::GATEWAY;

/// What a test tells its upstream to do.
#[derive(Debug)]
struct Origin {
    answered: AtomicUsize,
    fails: AtomicBool,
    /// One permit an answer; closed from the start where a test holds answers back.
    gate: Semaphore,
}

/// An upstream that numbers its answers. The query says how: `cc` is the answer's `Cache-Control`, `tag` its
/// `Cache-Tag`, and an `ETag` never changes.
async fn origin(permits: usize) -> (Arc<Origin>, Fake) {
    let origin = Arc::new(Origin {
        answered: AtomicUsize::new(0),
        fails: AtomicBool::new(false),
        gate: Semaphore::new(permits),
    });
    let state = Arc::clone(&origin);
    let routes = Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
        let state = Arc::clone(&state);
        async move { answer(&state, &uri, &headers).await }
    });
    (origin, Fake::start(routes).await)
}

async fn answer(origin: &Origin, uri: &Uri, headers: &HeaderMap) -> Response {
    let number = origin.answered.fetch_add(1, Ordering::SeqCst) + 1;
    origin.gate.acquire().await.unwrap().forget();
    if origin.fails.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let query = uri.query().unwrap_or_default();
    let said = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.replace('+', ", ").replace(':', "="))
    };
    if headers.contains_key("if-none-match") {
        return (
            StatusCode::NOT_MODIFIED,
            [("cache-control", said("cc").unwrap_or_default())],
        )
            .into_response();
    }
    let mut response = format!("answer {number}").into_response();
    let headers = response.headers_mut();
    for (name, header) in [
        ("cc", "cache-control"),
        ("tag", "cache-tag"),
        ("vary", "vary"),
        ("etag", "etag"),
    ] {
        if let Some(value) = said(name) {
            let value = if name == "etag" {
                format!("\"{value}\"")
            } else {
                value
            };
            headers.insert(header, value.parse().unwrap());
        }
    }
    response
}

const FREELY: usize = 1_000;

fn table(url: &str, cache: &str) -> String {
    format!(
        "upstreams:\n  only: {{ endpoints: [\"{url}\"], outlier: {{ gateway_failures: 0, local_failures: 0 }} }}\n\
         routes:\n  - {{ name: pages, match: {{ prefix: / }}, to: {{ upstream: only }}, retries: 0, cache: {cache} }}\n"
    )
}

async fn purge(gateway: &Gateway, what: serde_json::Value) -> Reply {
    let url = gateway.http("admin", "/cache/purge");
    plain_client().post(url).json(&what).reply().await
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one answer, in every way it is asked for"
)]
async fn an_answer_serves_until_it_is_too_old_and_says_where_it_comes_from() {
    let (_, upstream) = origin(FREELY).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    let path = "/a?cc=max-age:60&etag=x";
    let first = gateway.get(path).await.expect(200);
    assert_eq!(first.header("cache-status"), "banyan; fwd=miss; stored");
    let second = gateway.get(path).await.expect(200);
    assert_eq!(second.body, "answer 1");
    assert!(
        second
            .header("cache-status")
            .starts_with("banyan; hit; ttl="),
        "{second:?}"
    );
    assert!(second.header("age").parse::<u64>().is_ok(), "{second:?}");
    let url = gateway.https(path);
    let client = gateway.client();
    let head = client.head(&url).reply().await.expect(200);
    assert_eq!(
        (head.body.as_str(), head.header("content-length")),
        ("", "8")
    );
    let part = client
        .get(&url)
        .header("range", "bytes=0-5")
        .reply()
        .await
        .expect(206);
    assert_eq!(
        (part.body.as_str(), part.header("content-range")),
        ("answer", "bytes 0-5/8")
    );
    client
        .get(&url)
        .header("range", "bytes=99-")
        .reply()
        .await
        .expect(416);
    let same = client
        .get(&url)
        .header("if-none-match", "W/\"x\"")
        .reply()
        .await
        .expect(304);
    assert_eq!(same.header("etag"), "\"x\"");
    assert_eq!(upstream.requests(), 1);
    let forced = client
        .get(&url)
        .header("cache-control", "no-cache")
        .reply()
        .await
        .expect(200);
    assert_eq!(forced.body, "answer 1");
    assert_eq!(
        forced.header("cache-status"),
        "banyan; fwd=stale; fwd-status=304"
    );
    assert_eq!(upstream.requests(), 2);
    let elsewhere = gateway.https("/b");
    let nothing = client
        .get(elsewhere)
        .header("cache-control", "only-if-cached")
        .reply()
        .await;
    nothing.expect_problem(504, "not_cached");
    assert!(
        gateway
            .metric("gateway_cache_requests_total", &["pages", "\"hit\""])
            .await
            >= 5.0
    );
    assert_eq!(
        gateway
            .metric("gateway_cache_requests_total", &["\"revalidated\""])
            .await,
        1.0
    );
    let usage = gateway.admin("/cache").await.expect(200).json();
    assert_eq!(usage["entries"], 1, "{usage}");
}

#[tokio::test]
async fn nothing_is_kept_that_is_one_visitors_own() {
    let (_, upstream) = origin(FREELY).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    let client = gateway.client();
    for (number, path) in [
        "/a?cc=private",
        "/a?cc=no-store",
        "/a?cc=max-age:60&vary=*",
        "/a",
    ]
    .into_iter()
    .enumerate()
    {
        for ask in 1..=2 {
            let reply = gateway.get(path).await.expect(200);
            assert_eq!(reply.body, format!("answer {}", number * 2 + ask), "{path}");
        }
    }
    let url = gateway.https("/b?cc=max-age:60");
    for body in ["answer 9", "answer 10"] {
        let reply = client
            .get(&url)
            .header("authorization", "Bearer x")
            .reply()
            .await;
        assert_eq!(reply.expect(200).body, body);
    }
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_goes_and_one_that_leaves_fails_nobody() {
    let (origin, upstream) = origin(0).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    let url = gateway.https("/a?cc=max-age:60");
    let ask = || tokio::spawn(gateway.client().get(&url).reply());
    let leader = ask();
    eventually("the leader's request", PATIENCE, async || {
        (upstream.requests() == 1).then_some(())
    })
    .await;
    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    eventually("all to have come", PATIENCE, async || {
        (gateway.metric("gateway_requests_in_flight", &[]).await >= 21.0).then_some(())
    })
    .await;
    assert_eq!(upstream.requests(), 1);
    leader.abort();
    eventually("another one to lead", PATIENCE, async || {
        (upstream.requests() == 2).then_some(())
    })
    .await;
    origin.gate.add_permits(FREELY);
    for other in others {
        assert_eq!(other.await.unwrap().expect(200).body, "answer 2");
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn who_waits_for_an_answer_that_is_not_for_all_goes_on_with_all_the_others() {
    let (origin, upstream) = origin(0).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    let url = gateway.https("/a?cc=private");
    let asks: Vec<_> = (0..10)
        .map(|_| tokio::spawn(gateway.client().get(&url).reply()))
        .collect();
    eventually("all to have come", PATIENCE, async || {
        (gateway.metric("gateway_requests_in_flight", &[]).await >= 10.0).then_some(())
    })
    .await;
    assert_eq!(upstream.requests(), 1);
    origin.gate.add_permits(1);
    // None of them is answered yet: they are there at once.
    eventually("nine more requests", PATIENCE, async || {
        (upstream.requests() == 10).then_some(())
    })
    .await;
    origin.gate.add_permits(FREELY);
    let mut bodies = std::collections::HashSet::new();
    for ask in asks {
        bodies.insert(ask.await.unwrap().expect(200).body);
    }
    assert_eq!(bodies.len(), 10);
}

#[tokio::test]
async fn a_stale_answer_serves_while_it_is_revalidated_and_while_the_upstream_fails() {
    let (origin, upstream) = origin(FREELY).await;
    let cache = "{ stale_if_error: 10m }";
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), cache)).await;
    let path = "/a?cc=max-age:0+stale-while-revalidate:60&etag=x";
    gateway.get(path).await.expect(200);
    let stale = gateway.get(path).await.expect(200);
    assert_eq!(stale.body, "answer 1");
    assert!(
        stale
            .header("cache-status")
            .starts_with("banyan; hit; ttl="),
        "{stale:?}"
    );
    eventually("a revalidation behind it", PATIENCE, async || {
        (upstream.requests() >= 2).then_some(())
    })
    .await;
    let path = "/b?cc=max-age:0&etag=x";
    let kept = gateway.get(path).await.expect(200).body;
    origin.fails.store(true, Ordering::SeqCst);
    assert_eq!(gateway.get(path).await.expect(200).body, kept);
    gateway.get("/never?cc=max-age:60").await.expect(503);
    let strict = "/c?cc=max-age:0+must-revalidate&etag=x";
    origin.fails.store(false, Ordering::SeqCst);
    gateway.get(strict).await.expect(200);
    drop(upstream);
    gateway
        .get(strict)
        .await
        .expect_problem(502, "upstream_unreachable");
    assert_eq!(gateway.get(path).await.expect(200).body, kept);
}

#[tokio::test]
async fn a_change_a_purge_and_another_policy_end_what_is_kept_and_a_reload_does_not() {
    let (_, upstream) = origin(FREELY).await;
    let url = upstream.url();
    let mut gateway = Gateway::start(GATEWAY, &table(&url, "true")).await;
    let path = "/a?cc=max-age:60&tag=news";
    let body = |reply: Reply| reply.expect(200).body;
    assert_eq!(body(gateway.get(path).await), "answer 1");
    gateway
        .client()
        .post(gateway.https(path))
        .reply()
        .await
        .expect(200);
    assert_eq!(body(gateway.get(path).await), "answer 3");
    let purged = purge(&gateway, serde_json::json!({ "tag": "news" }))
        .await
        .expect(200);
    assert!(purged.json()["purged"].as_u64() >= Some(1));
    assert_eq!(body(gateway.get(path).await), "answer 4");
    let url_of_it = gateway.https(path);
    let purged = purge(&gateway, serde_json::json!({ "url": url_of_it }))
        .await
        .expect(200);
    assert!(purged.json()["purged"].as_u64() >= Some(1));
    assert_eq!(body(gateway.get(path).await), "answer 5");
    let edited = table(&url, "true").replace("retries: 0", "retries: 1");
    gateway.edit(Edit::Rename, &Gateway::table(&edited)).await;
    assert_eq!(body(gateway.get(path).await), "answer 5");
    gateway
        .edit(Edit::Rename, &Gateway::table(&table(&url, "{ ttl: 5s }")))
        .await;
    assert_eq!(body(gateway.get(path).await), "answer 6");
    let purged = purge(&gateway, serde_json::json!({ "route": "pages" }))
        .await
        .expect(200);
    assert!(purged.json()["purged"].as_u64() >= Some(1));
    assert_eq!(body(gateway.get(path).await), "answer 7");
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({ "tag": "a", "route": "pages" }),
        serde_json::json!({ "route": "nowhere" }),
        serde_json::json!({ "url": "/a" }),
        serde_json::json!({ "tags": "a" }),
    ] {
        purge(&gateway, wrong)
            .await
            .expect_problem(400, "bad_purge");
    }
    // Lines of two workers are in any order.
    let is_miss = |line: &serde_json::Value| line["method"] == "GET" && line["cache"] == "miss";
    let what = "an access log line of a miss";
    gateway.process.line_after(0, what, is_miss).await;
}

#[tokio::test]
async fn what_is_too_large_passes_whole_and_is_not_kept() {
    let (_, upstream) = origin(FREELY).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "{ max_body: 4B }")).await;
    for body in ["answer 1", "answer 2"] {
        assert_eq!(gateway.get("/a?cc=max-age:60").await.expect(200).body, body);
    }
}
