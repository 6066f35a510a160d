//! One path, many spellings: match, authorisation and upstream see the same bytes, so that no spelling
//! gets around a route that asks who is calling.

use serde_json::Value;
use tests::upstream::Fake;
use tests::{Gateway, Issuer, PATIENCE, ReplyExt as _, eventually};

use crate::GATEWAY;

/// What somebody might write to get to `/admin/users` by another name.
const SPELLINGS: [&str; 72] = [
    "/admin/users",
    "//admin/users",
    "///admin//users",
    "/./admin/users",
    "/admin/./users",
    "/admin/.//users",
    "/public/../admin/users",
    "/public/./../admin/users",
    "/public/a/../../admin/users",
    "/public//..//admin/users",
    "/../admin/users",
    "/../../../admin/users",
    "/admin/../admin/users",
    "/admin/x/../users",
    "/%61dmin/users",
    "/%61%64%6d%69%6e/users",
    "/%61%64%6D%69%6E/users",
    "/admin/%75sers",
    "/%2561dmin/users",
    "/%2e/admin/users",
    "/public/%2e%2e/admin/users",
    "/public/%2E%2E/admin/users",
    "/public/.%2e/admin/users",
    "/public/%2e./admin/users",
    "/public/%252e%252e/admin/users",
    "/public/..%2fadmin/users",
    "/public/..%2Fadmin/users",
    "/public%2f..%2fadmin/users",
    "/public/%2e%2e%2fadmin/users",
    "/public/..%252fadmin/users",
    "/%2fadmin/users",
    "/admin%2fusers",
    "/admin%2Fusers",
    "/admin%252fusers",
    "/public/..\\admin/users",
    "/public\\..\\admin\\users",
    "/public/..%5cadmin/users",
    "/public/..%5Cadmin/users",
    "/admin\\users",
    "/admin%5cusers",
    "/public/..;/admin/users",
    "/public/..;a=1/admin/users",
    "/public/;/../admin/users",
    "/admin;/users",
    "/admin;a=1/users",
    "/;/admin/users",
    "/admin/users;.css",
    "/admin/users/",
    "/admin/users/.",
    "/admin/users/..",
    "/admin/users/../users",
    "/admin/users%00",
    "/admin/users%00.css",
    "/admin%00/users",
    "/public/%c0%ae%c0%ae/admin/users",
    "/public/%c0%2e%c0%2e/admin/users",
    "/public/%e0%80%ae%e0%80%ae/admin/users",
    "/public/..%c0%afadmin/users",
    "/%c1%a1dmin/users",
    "/public/%u002e%u002e/admin/users",
    "/%u0061dmin/users",
    "/admin/users%20",
    "/admin/users%09",
    "/admin%0d%0a/users",
    "/admin/users#",
    "/admin/users?",
    "/admin/users%3f",
    "/admin/users%23",
    "/ADMIN/users",
    "/Admin/Users",
    "http://localhost/admin/users",
    "http://localhost//public/../admin/users",
];

/// What is below `/public` is another service, to which nothing there is protected.
fn table(issuer: &str, upstream: &Fake, below: &Fake) -> String {
    format!(
        r#"{issuer}upstreams:
  whole: {{ endpoints: ["{0}"] }}
  below: {{ endpoints: ["{1}"], strip_prefix: /public }}
routes:
  - {{ match: {{ prefix: /admin }}, to: {{ upstream: whole }}, auth: {{ provider: shop, roles: [admin] }} }}
  - {{ match: {{ prefix: /public }}, to: {{ upstream: below }} }}
  - {{ match: {{ prefix: / }}, to: {{ upstream: whole }} }}
"#,
        upstream.url(),
        below.url()
    )
}

/// Whether the most obliging of servers could take a path for one below `/admin`: it decodes once, takes
/// backslashes for slashes, forgets parameters and what follows a NUL, resolves dots and knows no case.
fn is_admin_to_somebody(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    let text = String::from_utf8_lossy(&decoded)
        .to_lowercase()
        .replace('\\', "/");
    let text = text.split('\0').next().unwrap_or("").to_owned();
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or("").trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.first() == Some(&"admin")
}

/// What the upstream that has something to protect was asked for, if it was.
async fn reached(gateway: &Gateway, spelling: &str, more: &str) -> (u16, Option<String>) {
    let mut raw = gateway.raw().await;
    let head =
        format!("GET {spelling} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    raw.send(head.as_bytes()).await;
    let answer = raw.read_to_end().await;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let seen = body.split_once('{').map(|(_, json)| format!("{{{json}"));
    let seen = seen.and_then(|json| {
        let (json, _) = json.rsplit_once('}')?;
        serde_json::from_str::<Value>(&format!("{json}}}")).ok()
    });
    let seen = seen.filter(|seen| seen["name"] == "whole");
    let path = seen.and_then(|seen| Some(seen.get("path")?.as_str()?.to_owned()));
    (status.unwrap_or(0), path)
}

async fn start() -> (Gateway, Issuer, [Fake; 2]) {
    let issuer = Issuer::start().await;
    let (whole, below) = (Fake::echo("whole").await, Fake::echo("below").await);
    let gateway = Gateway::start(GATEWAY, &table(&issuer.section(), &whole, &below)).await;
    let token = issuer.token("1", "");
    eventually(
        "the gateway to have the issuer's keys",
        PATIENCE,
        async || {
            let request = gateway.client().get(gateway.https("/admin"));
            let reply = request.bearer_auth(&token).reply().await;
            (reply.status == 403).then_some(())
        },
    )
    .await;
    (gateway, issuer, [whole, below])
}

#[tokio::test]
async fn no_spelling_reaches_a_protected_path_without_a_token() {
    let (gateway, _issuer, _upstreams) = start().await;
    let mut passed = 0;
    for spelling in SPELLINGS {
        let (status, path) = reached(&gateway, spelling, "").await;
        match path {
            // Another case is another path: RFC 9110, section 4.2.3. Nothing is done to it on the way.
            Some(path) if spelling.contains("ADMIN") || spelling.contains("Admin") => {
                assert_eq!(path, spelling);
            }
            // A parameter is part of its segment (RFC 3986, section 3.3), and passed on as it came.
            Some(path) if spelling.contains(';') => {
                assert!(path.contains(';'), "{spelling} became {path}");
            }
            Some(path) => {
                passed += 1;
                assert!(!is_admin_to_somebody(&path), "{spelling} reached {path}");
            }
            None => assert!([200, 400, 401].contains(&status), "{spelling}: {status}"),
        }
    }
    assert!(passed > 0, "some of them are other paths by any reading");
}

#[tokio::test]
async fn with_a_token_every_accepted_spelling_reaches_the_one_path() {
    let (gateway, issuer, _upstreams) = start().await;
    let mut claims = Issuer::claims("1", "");
    claims["roles"] = "admin".into();
    let token = format!("Authorization: Bearer {}\r\n", issuer.sign(&claims));
    let mut reached_it = 0;
    for spelling in SPELLINGS {
        let without = reached(&gateway, spelling, "").await;
        let with = reached(&gateway, spelling, &token).await;
        if without.0 == 401 {
            assert_eq!(with.0, 200, "{spelling}");
            let path = with.1.unwrap();
            assert!(path.starts_with("/admin"), "{spelling} reached {path}");
            reached_it += usize::from(path == "/admin/users");
        } else {
            assert_eq!(
                with, without,
                "{spelling}: a token changes nothing elsewhere"
            );
        }
    }
    assert!(reached_it > 15, "{reached_it}");
}

#[test]
fn the_obliging_server_takes_all_sorts_of_things_for_the_protected_path() {
    for path in [
        "/admin",
        "/%61dmin/x",
        "/a/..%2fADMIN",
        "/a\\..\\admin;x",
        "//admin%00.css",
    ] {
        assert!(is_admin_to_somebody(path), "{path}");
    }
    for path in ["/", "/public/admin", "/adminx", "/%2561dmin", "/.../admin"] {
        assert!(!is_admin_to_somebody(path), "{path}");
    }
}
