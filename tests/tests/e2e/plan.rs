//! `gateway plan`: a recorded log through two tables.

use std::path::Path;

use serde_json::Value;
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, ReplyExt as _, eventually};

use crate::GATEWAY;

/// What both tables begin with.
const BEGINNING: &str = r#"version: 1
listeners: [ { bind: "127.0.0.1:0" } ]
auth: { providers: { shop: { issuer: "https://id.test", jwks_uri: "http://127.0.0.1:1/jwks", audiences: [shop] } } }
limits: { few: { key: ip, rate: 5/s } }
upstreams:
  legacy: { endpoints: ["http://127.0.0.1:1"] }
  orders: { endpoints: ["http://127.0.0.1:2"] }
routes:
"#;

const OLD: &str = r#"  - { name: orders, match: { prefix: /orders }, to: { upstream: legacy }, auth: { provider: shop, scopes: [read] } }
  - { name: search, match: { path: /search }, to: { upstream: legacy }, limits: [few] }
  - { name: beta, match: { prefix: /new, headers: { x-beta: "1" } }, to: { upstream: orders } }
  - { name: gone, match: { path: /gone }, to: { upstream: legacy } }
"#;

const NEW: &str = r#"  - { name: orders, match: { prefix: /orders }, to: { upstream: orders } }
  - { name: search, match: { path: /search }, to: { upstream: legacy } }
  - { name: beta, match: { prefix: /new, headers: { x-beta: "2" } }, to: { upstream: orders } }
"#;

const LOG: &str = r#"{"method":"GET","host":"a","path":"/orders/1","client":"10.0.0.1","status":200}
{"method":"POST","host":"a","path":"/orders//2","client":"10.0.0.1","status":201}
{"method":"GET","host":"a","path":"/search","query":"q=…","client":"10.0.0.1","status":200}
{"method":"GET","host":"a","path":"/gone","client":"10.0.0.1","status":200}
{"method":"GET","host":"a","path":"/new/1","client":"10.0.0.1","status":200}
{"method":"GET","host":"a","path":"/new/2","client":"10.0.0.1","status":200,"match":{"header:x-beta":["1"]}}
{"method":"GET","host":"a","path":"/elsewhere","client":"10.0.0.1","status":404,"failure":"no_route"}
{"method":"GET","host":"a","path":"/%2f","client":"10.0.0.1","status":400,"failure":"path_refused"}
this is no line
"#;

async fn plan(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(GATEWAY.0);
    command.arg("plan").args(arguments).current_dir(folder);
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_log_says_what_an_edit_would_do_and_a_loss_of_authentication_has_to_be_accepted() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("old.yaml", format!("{BEGINNING}{OLD}")),
        ("new.yaml", format!("{BEGINNING}{NEW}")),
        ("access.jsonl", LOG.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let asked = ["old.yaml", "new.yaml", "--traffic", "access.jsonl"];
    let (code, said, complaint) = plan(&asked, folder.path()).await;
    assert_eq!(code, 1, "{said}{complaint}");
    assert!(complaint.contains("--accept"), "{complaint}");
    for line in [
        "7 requests, 1 unchanged",
        "1 more were refused before a table was asked",
        "1 lines are no access log's",
        "provider shop, scope read → none: anyone may call",
        "such as GET a/orders/1",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }

    let json = [&asked[..], &["--output", "json", "--accept", "orders"]].concat();
    let (code, said, complaint) = plan(&json, folder.path()).await;
    assert_eq!(code, 0, "{said}{complaint}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let changes = report["changes"].as_array().unwrap();
    let counted = |kind: &str, row: &str| {
        let found = changes.iter().find(|change| {
            let rows = [&change["old"], &change["new"]];
            change["kind"] == kind && rows.iter().any(|rows| rows[0] == row)
        });
        found.map(|change| change["requests"].as_u64().unwrap())
    };
    assert_eq!(counted("auth_lost", "orders"), Some(2));
    assert_eq!(counted("moved", "orders"), Some(2));
    assert_eq!(counted("limit_lost", "search"), Some(1));
    assert_eq!(counted("undetermined", "beta"), Some(1));
    assert_eq!(
        counted("not_found", "beta"),
        Some(1),
        "that header was logged"
    );
    assert_eq!(counted("not_found", "gone"), Some(1));
    assert_eq!(changes.len(), 6, "{said}");

    let unknown = [&asked[..], &["--accept", "ordrs"]].concat();
    let (code, _, complaint) = plan(&unknown, folder.path()).await;
    assert_eq!(code, 2);
    assert!(complaint.contains("`ordrs`"), "{complaint}");

    let missing = ["old.yaml", "new.yaml", "--traffic", "nothing.jsonl"];
    let (code, _, complaint) = plan(&missing, folder.path()).await;
    assert_eq!(code, 1);
    assert!(
        complaint.contains("nothing.jsonl cannot be read"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_gateways_own_log_replays_what_its_routes_ask_for() {
    let upstream = Fake::echo("only").await;
    let table = format!(
        r#"access_log: {{ match_fields: ["header:X-Beta", "query:v"] }}
upstreams:
  only: {{ endpoints: ["{}"] }}
routes:
  - {{ name: beta, match: {{ prefix: /, headers: {{ x-beta: "1" }} }}, to: {{ upstream: only }} }}
  - {{ name: version, match: {{ prefix: /, query: {{ v: "a b" }} }}, to: {{ upstream: only }} }}
  - {{ name: rest, match: {{ prefix: / }}, to: {{ upstream: only }} }}
"#,
        upstream.url()
    );
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    for (path, beta) in [("/1", "1"), ("/2?v=a%20b&token=secret", "2"), ("/3", "2")] {
        let request = client.get(gateway.https(path)).header("x-beta", beta);
        request.reply().await.expect(200);
    }
    let line = gateway.access_line("/2").await;
    assert_eq!(line["match"]["header:x-beta"][0], "2");
    assert_eq!(line["match"]["query:v"][0], "a b");
    assert!(!line.to_string().contains("secret"), "{line}");

    let folder = tempfile::tempdir().unwrap();
    let old = Gateway::table(&table);
    std::fs::write(folder.path().join("old.yaml"), &old).unwrap();
    let new = old.replace("x-beta: \"1\"", "x-beta: \"2\"");
    std::fs::write(
        folder.path().join("new.yaml"),
        new.replace("name: beta", "name: two"),
    )
    .unwrap();
    let log = eventually("all lines", PATIENCE, async || {
        let lines = gateway.process.lines();
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line["path"].is_string())
            .collect();
        let text = lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>();
        (lines.len() == 3).then_some(text)
    })
    .await;
    std::fs::write(folder.path().join("access.jsonl"), log).unwrap();
    for name in ["edge.pem", "edge.key"] {
        std::fs::copy(gateway.folder().join(name), folder.path().join(name)).unwrap();
    }
    let asked = ["old.yaml", "new.yaml", "--traffic", "access.jsonl"];
    let (code, said, complaint) = plan(&asked, folder.path()).await;
    assert_eq!(code, 0, "{said}{complaint}");
    assert!(
        said.contains("3 requests, 3 unchanged"),
        "all go to one upstream: {said}"
    );
    gateway.assert_sound();
}
