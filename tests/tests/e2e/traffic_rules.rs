//! Redirects, rewritten paths and changed headers.

use tests::upstream::{Fake, Received, Recording, Seen};
use tests::{Edit, Gateway, ReplyExt as _};

use crate::GATEWAY;

/// One upstream, and these routes.
fn table(url: &str, routes: &str) -> String {
    format!("upstreams:\n  only: {{ endpoints: [\"{url}\"] }}\nroutes:\n{routes}")
}

/// What the upstream was sent.
#[track_caller]
fn sent(upstream: &Recording) -> Received {
    match upstream.take().pop() {
        Some(Seen::Request(request)) => request,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_leads_where_the_table_says_and_takes_the_query_along() {
    let upstream = Fake::echo("only").await;
    let routes = r#"
  - { match: { path: "/old/{id}" }, to: { redirect: { to: "/new/{id}", status: 308 } } }
  - { match: { prefix: /help }, to: { redirect: "https://help.shop.test/{rest}" } }
  - { match: { path: "/find/{word}" }, to: { redirect: { to: "/search?q={word}", status: 303 } } }
  - { match: { path: "/swap/{id}/{*rest}" }, to: { redirect: "/{rest}/{id}" } }
  - { match: { prefix: / }, to: { upstream: only } }
"#;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), routes)).await;
    for (path, status, location) in [
        ("/old/42", 308, "/new/42"),
        ("/old/42?a=b", 308, "/new/42?a=b"),
        ("/help", 307, "https://help.shop.test/"),
        ("/help/a/b?c", 307, "https://help.shop.test/a/b?c"),
        ("/find/a&b=c?x=1", 303, "/search?q=a%26b%3Dc"),
        // Nothing that a client writes becomes a host.
        ("/swap/evil.test/", 307, "/evil.test"),
        ("/swap/evil.test/x", 307, "/x/evil.test"),
    ] {
        let reply = gateway.get(path).await.expect(status);
        assert_eq!(reply.header("location"), location, "{path}");
    }
    assert_eq!(upstream.requests(), 0);
    let line = gateway.access_line("/old/42").await;
    assert_eq!(line["status"], 308);
    assert!(line.get("upstream").is_none());
}

#[tokio::test]
async fn an_upstream_is_asked_for_the_rewritten_path_and_the_log_keeps_the_clients() {
    let upstream = Recording::start().await;
    let routes = r#"
  - match: { path: "/products/{id}/{*rest}" }
    to: { upstream: only }
    rewrite: "/v2/{rest}/of/{id}"
  - match: { prefix: /help }
    to: { upstream: only }
    rewrite: "/static/{rest}"
"#;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), routes)).await;
    for (path, line) in [
        (
            "/products/42/a/b?q=%20x",
            "GET /v2/a/b/of/42?q=%20x HTTP/1.1",
        ),
        ("/products/42/", "GET /v2/of/42 HTTP/1.1"),
        ("/help", "GET /static/ HTTP/1.1"),
        ("/help/%61?", "GET /static/a? HTTP/1.1"),
        ("/help/%c3%a9", "GET /static/%C3%A9 HTTP/1.1"),
    ] {
        gateway.get(path).await.expect(200);
        assert_eq!(sent(&upstream).line, line, "{path}");
    }
    let line = gateway.access_line("/products/42/a/b").await;
    assert_eq!(line["path"], "/products/42/a/b");
    // HTTP/1.1 and HTTP/2 alike.
    let request = gateway.http1_client().get(gateway.https("/help/x"));
    request.reply().await.expect(200);
    assert_eq!(sent(&upstream).line, "GET /static/x HTTP/1.1");
}

#[tokio::test]
async fn each_upstream_of_a_split_gets_its_share_and_keeps_its_clients() {
    let (old, new) = (Fake::echo("old").await, Fake::echo("new").await);
    let table = |weights: [u32; 2], by: &str| {
        format!(
            r#"upstreams:
  old: {{ endpoints: ["{}"] }}
  new: {{ endpoints: ["{}"] }}
routes:
  - match: {{ prefix: / }}
    to: {{ split: [ {{ upstream: old, weight: {} }}, {{ upstream: new, weight: {} }} ]{by} }}
"#,
            old.url(),
            new.url(),
            weights[0],
            weights[1]
        )
    };
    let mut gateway = Gateway::start(GATEWAY, &table([70, 30], ", by: 'header:x-user'")).await;
    let ask = async |gateway: &Gateway, user: usize| {
        let request = gateway.client().get(gateway.https("/"));
        let request = request.header("x-user", format!("user-{user}"));
        request.reply().await.expect(200).served_by().to_owned()
    };
    let mut first = Vec::new();
    for user in 0..200 {
        first.push(ask(&gateway, user).await);
    }
    let moved = first.iter().filter(|served| *served == "new").count();
    // Five standard deviations.
    assert!((27..=93).contains(&moved), "{moved} of 200");
    let even = Gateway::table(&table([50, 50], ", by: 'header:x-user'"));
    gateway.edit(Edit::Rename, &even).await;
    for (user, served) in first.iter().enumerate() {
        let now = ask(&gateway, user).await;
        assert!(
            now == *served || now == "new",
            "user {user}: {served} → {now}"
        );
    }
    let all = Gateway::table(&table([0, 1], ""));
    gateway.edit(Edit::Rename, &all).await;
    assert_eq!(ask(&gateway, 1).await, "new");
}

#[tokio::test]
async fn the_upstream_gets_the_headers_that_the_route_says() {
    let upstream = Recording::start().await;
    let routes = r#"
  - match: { prefix: / }
    to: { upstream: only }
    request_headers: { set: { X-Tenant: shop }, add: { Accept-Language: de }, remove: [x-debug, user-agent] }
"#;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), routes)).await;
    let request = gateway.client().get(gateway.https("/"));
    let request = request
        .header("x-tenant", "theirs")
        .header("accept-language", "en")
        .header("x-debug", "1")
        .header("user-agent", "x");
    request.reply().await.expect(200);
    let sent = sent(&upstream);
    assert_eq!(sent.values("x-tenant"), ["shop"]);
    assert_eq!(sent.values("accept-language"), ["en", "de"]);
    assert!(sent.values("x-debug").is_empty());
    assert!(sent.values("user-agent").is_empty());
}

#[tokio::test]
async fn every_answer_of_the_route_gets_the_headers_that_it_says() {
    let upstream = Fake::echo("only").await;
    let rules = "response_headers: { set: { X-Frame-Options: DENY }, remove: [content-type] }";
    let routes = format!(
        r#"
  - {{ match: {{ path: /here }}, to: {{ upstream: only }}, {rules} }}
  - {{ match: {{ path: /gone }}, to: {{ redirect: /here }}, {rules} }}
  - {{ match: {{ path: /fixed }}, to: {{ respond: {{ status: 200 }} }}, {rules} }}
  - {{ match: {{ path: /large }}, to: {{ upstream: only }}, body_limit: 1B, {rules} }}
"#
    );
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), &routes)).await;
    for (path, status) in [
        ("/here", 200),
        ("/gone", 307),
        ("/fixed", 200),
        ("/large", 413),
    ] {
        let request = gateway.client().post(gateway.https(path)).body("two");
        let reply = request.reply().await.expect(status);
        assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(reply.header("content-type"), "", "{path}");
    }
    let elsewhere = gateway.get("/nowhere").await.expect(404);
    assert_eq!(elsewhere.header("x-frame-options"), "");
}
