//! Cross-origin requests: whose pages may read an answer.

use axum::Router;
use axum::http::StatusCode;
use reqwest::Method;
use tests::upstream::{Fake, Refused};
use tests::{Edit, Gateway, Reply, ReplyExt as _};

use crate::GATEWAY;

const SHOP: &str = "https://shop.test";

/// An upstream that speaks of CORS itself, wrongly.
async fn outspoken() -> Fake {
    let headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-Inside"),
        ("vary", "Accept"),
    ];
    Fake::start(Router::new().fallback(async move || (headers, "read me"))).await
}

fn table(url: &str) -> String {
    format!(
        r#"limits: {{ few: {{ key: "header:x-user", rate: 1/h }} }}
auth: {{ providers: {{ shop: {{ issuer: "https://id.test", jwks_uri: "http://127.0.0.1:1/jwks", audiences: [shop] }} }} }}
upstreams:
  only: {{ endpoints: ["{url}"] }}
routes:
  - name: orders
    match: {{ path: "/orders/{{id}}", methods: [GET, PUT] }}
    to: {{ upstream: only }}
    auth: {{ provider: shop }}
    cors:
      origins: ["{SHOP}", "https://*.shop.test"]
      methods: [GET, PUT]
      headers: [Authorization, Content-Type]
      expose: [ETag]
      credentials: true
      max_age: 20m
  - {{ name: limited, match: {{ path: /limited }}, to: {{ upstream: only }}, limits: [few], cors: {{ origins: ["{SHOP}"] }} }}
  - {{ name: public, match: {{ path: /public }}, to: {{ upstream: only }}, cors: {{ origins: "*" }} }}
  - {{ name: listed, match: {{ path: /listed }}, to: {{ upstream: only }}, cors: {{ origins: ["{SHOP}"], expose: [ETag] }} }}
  - {{ name: fixed, match: {{ path: /fixed }}, to: {{ respond: {{ body: hello }} }}, cors: {{ origins: ["{SHOP}"] }} }}
  - {{ name: own, match: {{ path: /own }}, to: {{ upstream: only }} }}
"#
    )
}

async fn ask(gateway: &Gateway, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = gateway.client().request(method, gateway.https(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.reply().await
}

async fn preflight(gateway: &Gateway, path: &str, origin: &str, method: &str) -> Reply {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,x-odd"),
    ];
    ask(gateway, Method::OPTIONS, path, &headers).await
}

/// All that an answer says of CORS.
fn said(reply: &Reply) -> Vec<String> {
    let pairs = reply.headers.iter();
    let pairs = pairs.filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut lines: Vec<_> = pairs
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

fn vary(reply: &Reply) -> String {
    let values = reply.headers.get_all("vary").iter();
    let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    values.join(", ")
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_token_for_the_row_of_the_request_to_come() {
    let upstream = outspoken().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    for origin in [SHOP, "https://app.shop.test"] {
        let reply = preflight(&gateway, "/orders/42", origin, "PUT")
            .await
            .expect(204);
        assert_eq!(
            said(&reply),
            [
                "access-control-allow-credentials: true".to_owned(),
                "access-control-allow-headers: Authorization, Content-Type".to_owned(),
                "access-control-allow-methods: GET, PUT".to_owned(),
                format!("access-control-allow-origin: {origin}"),
                "access-control-expose-headers: ETag".to_owned(),
                "access-control-max-age: 1200".to_owned(),
            ]
        );
        assert_eq!(
            vary(&reply),
            "Access-Control-Request-Method, Access-Control-Request-Headers, Origin"
        );
        assert!(reply.body.is_empty());
    }
    // What the row does not list, it leaves to the question.
    let reply = preflight(&gateway, "/public", "https://any.test", "DELETE")
        .await
        .expect(204);
    assert_eq!(
        said(&reply),
        [
            "access-control-allow-headers: authorization,x-odd",
            "access-control-allow-methods: DELETE",
            "access-control-allow-origin: *",
            "access-control-max-age: 600",
        ]
    );
    assert_eq!(upstream.requests(), 0);
    let line = gateway.access_line("/orders/42").await;
    assert_eq!(
        (&line["route"], &line["status"]),
        (&"orders".into(), &204.into())
    );
    let allowed = gateway.metric(
        "gateway_cors_preflights_total",
        &["route=\"orders\"", "result=\"allowed\""],
    );
    assert!((allowed.await - 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_preflight_of_another_origin_is_told_nothing() {
    let upstream = outspoken().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    for origin in [
        "https://evil.test",
        "http://shop.test",
        "https://shop.test.evil.test",
        "null",
    ] {
        let reply = preflight(&gateway, "/orders/42", origin, "PUT")
            .await
            .expect(204);
        assert!(said(&reply).is_empty(), "{origin}: {reply:?}");
        assert!(vary(&reply).contains("Origin"));
    }
    let labels = ["route=\"orders\"", "result=\"refused\""];
    let refused = gateway
        .metric("gateway_cors_preflights_total", &labels)
        .await;
    assert!((refused - 4.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_is_no_preflight_for_a_row_with_cors_is_a_request_like_others() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    // A row without `cors` leaves the question to its upstream.
    let reply = preflight(&gateway, "/own", SHOP, "PUT").await.expect(200);
    assert_eq!(reply.json()["method"], "OPTIONS");
    // OPTIONS that announces nothing.
    let reply = ask(&gateway, Method::OPTIONS, "/listed", &[("origin", SHOP)])
        .await
        .expect(200);
    assert_eq!(reply.json()["method"], "OPTIONS");
    assert_eq!(
        said(&reply)[0],
        format!("access-control-allow-origin: {SHOP}")
    );
    // No row takes the request to come.
    let reply = preflight(&gateway, "/orders/42", SHOP, "DELETE")
        .await
        .expect(404);
    assert!(said(&reply).is_empty());
}

#[tokio::test]
async fn the_row_speaks_instead_of_its_upstream() {
    let upstream = outspoken().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    let allowed = ask(&gateway, Method::GET, "/listed", &[("origin", SHOP)])
        .await
        .expect(200);
    let expected = [
        format!("access-control-allow-origin: {SHOP}"),
        "access-control-expose-headers: ETag".to_owned(),
    ];
    assert_eq!(said(&allowed), expected);
    assert_eq!(vary(&allowed), "Accept, Origin");
    // Not refused: what a page may not read is still asked for by others.
    for headers in [&[("origin", "https://evil.test")][..], &[]] {
        let reply = ask(&gateway, Method::GET, "/listed", headers)
            .await
            .expect(200);
        assert_eq!(reply.body, "read me");
        assert!(said(&reply).is_empty(), "{headers:?}");
        assert_eq!(vary(&reply), "Accept, Origin", "{headers:?}");
    }
    let own = ask(&gateway, Method::GET, "/own", &[("origin", SHOP)])
        .await
        .expect(200);
    assert_eq!(own.header("access-control-expose-headers"), "X-Inside");
    let nobodys = ask(&gateway, Method::GET, "/public", &[]).await.expect(200);
    assert_eq!(
        said(&nobodys),
        ["access-control-allow-origin: *"],
        "a cache may give it to a page"
    );
    let public = ask(&gateway, Method::GET, "/public", &[("origin", "null")])
        .await
        .expect(200);
    assert_eq!(said(&public), ["access-control-allow-origin: *"]);
    assert_eq!(vary(&public), "Accept");
}

#[tokio::test]
async fn a_page_can_read_what_the_gateway_answers_itself() {
    let upstream = outspoken().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    let from_shop = [("origin", SHOP), ("x-user", "a")];
    let told = format!("access-control-allow-origin: {SHOP}");
    for (path, status) in [
        ("/orders/1", 401),
        ("/limited", 200),
        ("/limited", 429),
        ("/fixed", 200),
    ] {
        let reply = ask(&gateway, Method::GET, path, &from_shop)
            .await
            .expect(status);
        assert!(said(&reply).contains(&told), "{path}: {reply:?}");
        assert!(vary(&reply).contains("Origin"), "{path}");
    }
}

#[tokio::test]
async fn a_page_can_read_that_an_upstream_is_away_and_an_edit_changes_who_may() {
    let away = Refused::new();
    let mut gateway = Gateway::start(GATEWAY, &table(&away.url())).await;
    let reply = ask(&gateway, Method::GET, "/listed", &[("origin", SHOP)]).await;
    assert!(reply.status >= StatusCode::BAD_GATEWAY, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), SHOP);
    let edited = table(&away.url()).replace(SHOP, "https://other.test");
    gateway.edit(Edit::Rename, &Gateway::table(&edited)).await;
    let reply = ask(&gateway, Method::GET, "/listed", &[("origin", SHOP)]).await;
    assert!(said(&reply).is_empty());
}

#[tokio::test]
async fn a_preflight_is_explained_by_the_row_that_answers_it() {
    let upstream = outspoken().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url())).await;
    for (origin, told) in [
        (SHOP, "a preflight: pages of this origin may send PUT"),
        (
            "https://evil.test",
            "a preflight: pages of this origin may not send PUT",
        ),
    ] {
        let question = serde_json::json!({
            "method": "OPTIONS",
            "url": "/orders/42",
            "headers": [["Origin", origin], ["Access-Control-Request-Method", "PUT"]],
        });
        let request = tests::plain_client().post(gateway.http("admin", "/explain"));
        let report = request.json(&question).reply().await.expect(200).json();
        assert_eq!(report["route"]["name"], "orders");
        assert_eq!(report["to"]["preflight"], told);
        assert_eq!(report["to"]["status"], 204);
    }
}
