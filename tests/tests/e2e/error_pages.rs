//! What people see of a failure, and what programs get.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use reqwest::{Client, Method};
use tests::upstream::{Fake, Refused, Rude};
use tests::{Edit, Gateway, Reply, ReplyExt as _};

use crate::GATEWAY;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(client: &Client, method: Method, url: &str, accept: &str) -> Reply {
    let request = client.request(method, url).header("accept", accept);
    request.reply().await
}

async fn browse(gateway: &Gateway, path: &str) -> Reply {
    ask(
        &gateway.client(),
        Method::GET,
        &gateway.https(path),
        BROWSER,
    )
    .await
}

#[track_caller]
fn assert_page(reply: &Reply, parts: &[&str]) {
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("vary"), "Accept");
    for part in parts {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
}

/// A table whose rows fail in ways of their own.
fn table(url: &str, more: &str) -> String {
    format!(
        r#"auth: {{ providers: {{ shop: {{ issuer: "https://id.test", jwks_uri: "http://127.0.0.1:1/jwks", audiences: [shop] }} }} }}
upstreams:
  only: {{ endpoints: ["{url}"] }}
routes:
  - {{ match: {{ path: /asks }}, to: {{ upstream: only }}, auth: {{ provider: shop }} }}
  - {{ match: {{ path: /closed }}, to: {{ upstream: only }}, maintenance: true }}
  - {{ match: {{ prefix: /shop }}, to: {{ upstream: only }} }}
{more}"#
    )
}

#[tokio::test]
async fn a_browser_is_shown_a_page_and_a_program_gets_a_document() {
    let away = Refused::new();
    let gateway = Gateway::start(GATEWAY, &table(&away.url(), "")).await;
    for (path, status, code, title) in [
        ("/nowhere", 404, "no_route", "404 Not Found"),
        ("/asks", 401, "token_required", "401 Unauthorized"),
        ("/closed", 503, "maintenance", "503 Service Unavailable"),
        ("/shop", 502, "upstream_unreachable", "502 Bad Gateway"),
        ("/a%2Fb", 400, "path_refused", "400 Bad Request"),
    ] {
        let page = browse(&gateway, path).await.expect(status);
        assert_page(
            &page,
            &["<!doctype html>", title, page.header("x-request-id")],
        );
        assert_eq!(page.header("x-gateway-error"), code);
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        for accept in [
            "*/*",
            "application/json",
            "application/json, text/plain, */*",
        ] {
            let url = gateway.https(path);
            let document = ask(&gateway.http1_client(), Method::GET, &url, accept)
                .await
                .expect(status);
            assert_eq!(document.header("content-type"), "application/problem+json");
            assert_eq!(document.header("vary"), "Accept");
            assert_eq!(document.json()["code"], code);
            // All else that is said is the same.
            for name in ["www-authenticate", "retry-after"] {
                assert_eq!(document.header(name), page.header(name), "{path} {name}");
            }
        }
    }
    let challenge = browse(&gateway, "/asks").await;
    assert_eq!(
        challenge.header("www-authenticate"),
        "Bearer realm=\"shop\""
    );
}

#[tokio::test]
async fn head_says_all_that_get_would_and_has_no_body() {
    let away = Refused::new();
    let gateway = Gateway::start(GATEWAY, &table(&away.url(), "")).await;
    for client in [gateway.client(), gateway.http1_client()] {
        for (accept, content_type) in [
            (BROWSER, "text/html; charset=utf-8"),
            ("*/*", "application/problem+json"),
        ] {
            let url = gateway.https("/nowhere");
            let page = ask(&client, Method::GET, &url, accept).await.expect(404);
            let head = ask(&client, Method::HEAD, &url, accept).await.expect(404);
            assert_eq!(head.header("content-type"), content_type);
            assert_eq!(head.header("content-length"), page.body.len().to_string());
            assert!(head.body.is_empty());
        }
    }
}

#[tokio::test]
async fn grpc_stays_grpc_whatever_it_accepts() {
    let away = Refused::new();
    let gateway = Gateway::start(GATEWAY, &table(&away.url(), "")).await;
    let request = gateway.client().post(gateway.https("/shop"));
    let request = request
        .header("content-type", "application/grpc")
        .header("accept", "text/html");
    let reply = request.reply().await.expect(200);
    assert_eq!(reply.header("grpc-status"), "14");
}

/// Pages beside the table, which is then put in use.
async fn with_pages(gateway: &mut Gateway, pages: &[(&str, &str)], table: &str) {
    for (name, html) in pages {
        std::fs::write(gateway.folder().join(name), html).unwrap();
    }
    gateway.edit(Edit::Rename, &Gateway::table(table)).await;
}

#[tokio::test]
async fn pages_of_ones_own_are_found_by_row_and_then_by_table_and_the_exact_status_first() {
    let away = Refused::new();
    let mut gateway = Gateway::start(GATEWAY, &table(&away.url(), "")).await;
    let more = r#"  - match: { prefix: /own }
    to: { upstream: only }
    error_pages: { "5xx": row.html }
  - match: { prefix: /own/closed }
    to: { upstream: only }
    maintenance: true
    error_pages: { maintenance: closed.html, 503: row.html }
error_pages: { 404: lost.html, 4xx: four.html, 5xx: five.html }
"#;
    let pages = [
        (
            "lost.html",
            "lost <b title='{{request_id}}'>{{ status }} {{ title }}</b>",
        ),
        ("four.html", "four {{detail}}"),
        ("five.html", "five"),
        ("row.html", "row {{ status }}"),
        ("closed.html", "closed"),
    ];
    with_pages(&mut gateway, &pages, &table(&away.url(), more)).await;
    for (path, status, shown) in [
        ("/nowhere", 404, "404 Not Found</b>"),
        ("/asks", 401, "is required"),
        ("/shop", 502, "five"),
        ("/closed", 503, "five"),
        ("/own", 502, "row 502"),
        ("/own/closed", 503, "closed"),
    ] {
        let page = browse(&gateway, path).await.expect(status);
        assert_page(&page, &[shown]);
        assert_eq!(
            page.header("content-security-policy"),
            "",
            "theirs may fetch what it likes"
        );
    }
    let lost = browse(&gateway, "/nowhere").await;
    let id = lost.header("x-request-id").to_owned();
    assert!(
        lost.body.starts_with(&format!("lost <b title='{id}'>")),
        "{}",
        lost.body
    );
    // Programs have no use for them.
    let reply = gateway.get("/nowhere").await.expect(404);
    assert_eq!(reply.json()["code"], "no_route");
}

#[tokio::test]
async fn an_edited_page_is_shown_and_a_broken_one_is_not() {
    let away = Refused::new();
    let mut gateway = Gateway::start(GATEWAY, &table(&away.url(), "")).await;
    let table = table(&away.url(), "error_pages: { 404: lost.html }\n");
    with_pages(&mut gateway, &[("lost.html", "first")], &table).await;
    assert_eq!(browse(&gateway, "/nowhere").await.body, "first");
    for (html, message) in [
        ("second {{ status }}", "route table applied"),
        (
            "broken {{ status",
            "route table refused; the last good one serves on",
        ),
    ] {
        let mark = gateway.process.mark();
        std::fs::write(gateway.folder().join("lost.html"), html).unwrap();
        gateway.process.message_after(mark, message).await;
        assert_eq!(browse(&gateway, "/nowhere").await.body, "second 404");
    }
}

#[tokio::test]
async fn an_upstreams_own_errors_are_covered_where_the_table_says_so() {
    let routes = Router::new()
        .route(
            "/shop/broken",
            get(async || {
                let headers = [
                    ("etag", "\"e\""),
                    ("retry-after", "7"),
                    ("set-cookie", "a=b"),
                ];
                (StatusCode::INTERNAL_SERVER_ERROR, headers, "at line 7")
            }),
        )
        .route("/shop/gone", get(async || (StatusCode::GONE, "gone")))
        .fallback(async || (StatusCode::INTERNAL_SERVER_ERROR, "at line 8"));
    let upstream = Fake::start(routes).await;
    let mut gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "")).await;
    let reply = browse(&gateway, "/shop/broken").await.expect(500);
    assert_eq!(
        (reply.body.as_str(), reply.header("vary")),
        ("at line 7", "")
    );

    let more = r#"  - { match: { prefix: /bare }, to: { upstream: only }, error_pages: { intercept: false } }
  - { match: { path: /fixed }, to: { respond: { status: 503, body: fixed } } }
error_pages: { intercept: true, 500: sorry.html }
"#;
    let pages = [("sorry.html", "sorry {{ status }}: {{ detail }}")];
    with_pages(&mut gateway, &pages, &table(&upstream.url(), more)).await;
    let page = browse(&gateway, "/shop/broken").await.expect(500);
    assert_page(
        &page,
        &["sorry 500: the service could not answer this request"],
    );
    assert_eq!(
        (page.header("retry-after"), page.header("set-cookie")),
        ("7", "a=b")
    );
    assert_eq!(
        (page.header("etag"), page.header("x-gateway-error")),
        ("", "")
    );
    assert_eq!(page.header("content-length"), page.body.len().to_string());
    // A program gets what the upstream says; so does everybody of other statuses and rows.
    let reply = gateway.get("/shop/broken").await.expect(500);
    assert_eq!(
        (reply.body.as_str(), reply.header("vary")),
        ("at line 7", "Accept")
    );
    assert_eq!(
        browse(&gateway, "/shop/gone").await.expect(410).body,
        "gone"
    );
    assert_eq!(
        browse(&gateway, "/bare").await.expect(500).body,
        "at line 8"
    );
    assert_eq!(browse(&gateway, "/fixed").await.expect(503).body, "fixed");
    let line = gateway.access_line("/shop/broken").await;
    assert!(line.get("failure").is_none(), "{line}");
}

#[tokio::test]
async fn an_upstream_that_goes_on_for_ever_is_dropped_for_a_page() {
    let endless = Rude::saying(
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/html\r\ncontent-length: 99999999\r\n\r\nat line 7",
    )
    .await;
    let more = "error_pages: { intercept: true }\n";
    let gateway = Gateway::start(GATEWAY, &table(&endless.url(), more)).await;
    for client in [gateway.client(), gateway.http1_client()] {
        let page = ask(&client, Method::GET, &gateway.https("/shop"), BROWSER)
            .await
            .expect(500);
        assert_page(&page, &["500 Internal Server Error"]);
    }
}

#[tokio::test]
async fn a_table_answers_by_files_and_with_headers() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "")).await;
    let more = r#"  - match: { path: /robots.txt }
    to: { respond: { body_file: robots.txt, headers: { Cache-Control: max-age=3600 } } }
  - match: { path: /hello }
    to: { respond: { status: 404, body_file: hello.html } }
"#;
    let files = [
        ("robots.txt", "User-agent: *\n"),
        ("hello.html", "<p>{{ hello }}"),
    ];
    with_pages(&mut gateway, &files, &table(&upstream.url(), more)).await;
    let robots = gateway.get("/robots.txt").await.expect(200);
    assert_eq!(robots.body, "User-agent: *\n");
    assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(robots.header("cache-control"), "max-age=3600");
    let hello = gateway.get("/hello").await.expect(404);
    assert_eq!(
        hello.body, "<p>{{ hello }}",
        "as it is: it is no error page"
    );
    assert_eq!(hello.header("content-type"), "text/html; charset=utf-8");
    let head = gateway
        .client()
        .head(gateway.https("/robots.txt"))
        .reply()
        .await
        .expect(200);
    assert_eq!(
        (head.header("content-length"), head.body.as_str()),
        ("14", "")
    );
}

#[tokio::test]
async fn who_is_asked_about_callers_speaks_for_itself() {
    let routes = Router::new().fallback(async || {
        let headers = [("content-type", "text/html"), ("location", "/login")];
        (StatusCode::FOUND, headers, "to the login")
    });
    let door = Fake::start(routes).await;
    let table = format!(
        "upstreams: {{ door: {{ endpoints: ['{}'] }} }}\n\
         auth: {{ providers: {{ who: {{ forward: {{ upstream: door, path: /, claims: {{ sub: X-User-Id }} }} }} }} }}\n\
         routes: [ {{ match: {{ prefix: / }}, to: {{ upstream: door }}, auth: {{ provider: who }} }} ]\n",
        door.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let reply = browse(&gateway, "/").await.expect(302);
    assert_eq!(
        (reply.header("location"), reply.body.as_str()),
        ("/login", "to the login")
    );
    assert_eq!(reply.header("content-security-policy"), "");
}
