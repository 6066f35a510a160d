//! `gateway explain`, by a file and by a running gateway.

use serde_json::{Value, json};
use tests::upstream::{Fake, Refused};
use tests::{Gateway, PATIENCE, ReplyExt as _, eventually};

use crate::GATEWAY;

const ROUTES: &str = r#"
migrations:
  orders: { from: legacy, to: orders, stage: monolith }
routes:
  - { name: beta, match: { path: "/api/orders/{id}", headers: { x-beta: "1" } }, to: { upstream: orders }, timeout: 3s }
  - { name: orders, match: { prefix: /api/orders }, to: { migration: orders } }
  - { name: shop, match: { host: shop.test, prefix: / }, to: { upstream: legacy } }
"#;

fn table(legacy: &str, orders: &[String]) -> String {
    let orders: Vec<_> = orders.iter().map(|url| format!("\"{url}\"")).collect();
    format!(
        "upstreams:\n  legacy: {{ endpoints: [\"{legacy}\"] }}\n  \
         orders: {{ endpoints: [{}], circuit: {{ requests: 7 }} }}{ROUTES}",
        orders.join(", ")
    )
}

/// Exit code and what was said.
async fn explain(arguments: &[&str], folder: &std::path::Path) -> (i32, String) {
    let mut command = tokio::process::Command::new(GATEWAY.0);
    command.arg("explain").args(arguments).current_dir(folder);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&said).into_owned())
}

async fn explain_json(arguments: &[&str], folder: &std::path::Path) -> Value {
    let (_, said) = explain(&[arguments, &["--output", "json"]].concat(), folder).await;
    serde_json::from_str(&said).expect(&said)
}

#[tokio::test]
async fn a_file_explains_a_request_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let rows = table("http://127.0.0.1:1", &["http://127.0.0.1:2".to_owned()]);
    let text = format!("version: 1\nlisteners: [{{ bind: \"127.0.0.1:0\" }}]\n{rows}");
    std::fs::write(folder.path().join("routes.yaml"), &text).unwrap();
    let at = |name: &str| {
        let line = text.lines().position(|line| line.contains(name)).unwrap() + 1;
        format!("routes.yaml:{line}")
    };

    // However the path is spelled.
    let told = explain_json(
        &["GET", "/api/./orders//7", "-H", "X-Beta: 1"],
        folder.path(),
    )
    .await;
    assert_eq!(told["request"]["path"], "/api/orders/7");
    assert_eq!(told["route"]["name"], "beta");
    assert_eq!(told["route"]["at"], at("name: beta"));
    assert_eq!(told["route"]["params"]["id"], "7");
    assert_eq!(told["to"]["upstream"], "orders");
    let setting = |key: &str| {
        let settings = told["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|one| one["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(setting("timeout")["value"], "3s");
    assert_eq!(setting("timeout")["origin"], "route");
    assert_eq!(setting("circuit.requests")["value"], "7");
    assert_eq!(setting("circuit.requests")["origin"], "upstream");
    assert_eq!(setting("body_limit")["origin"], "default");

    let (code, said) = explain(&["GET", "https://shop.test/api/orders/7"], folder.path()).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("✓ shop"),
        "the exact host comes first: {said}"
    );
    assert!(said.contains("✗ beta"), "{said}");
    assert!(
        said.contains("header `x-beta` is not what the route asks for"),
        "{said}"
    );
    assert!(said.contains("→ upstream legacy"), "{said}");

    let (code, said) = explain(&["GET", "/api/orders/7"], folder.path()).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stage monolith → upstream legacy"), "{said}");
    assert!(
        said.contains("host is `localhost`, the route takes `shop.test`"),
        "{said}"
    );

    for (url, status) in [
        ("/api/order", "404 no_route"),
        ("/a%2fb", "400 path_refused"),
    ] {
        let (code, said) = explain(&["GET", url], folder.path()).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(status), "{said}");
    }
    let (code, said) = explain(&["GET", "orders"], folder.path()).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("`orders` is no address"), "{said}");
}

#[tokio::test]
async fn a_running_gateway_explains_with_its_endpoints() {
    let (well, dead) = (Fake::echo("well").await, Refused::new());
    let rows = table(&well.url(), &[well.url(), dead.url()]);
    let mut gateway = Gateway::start(GATEWAY, &rows).await;
    let client = gateway.client();
    eventually("the dead endpoint to be found out", PATIENCE, async || {
        let request = client
            .get(gateway.https("/api/orders/7"))
            .header("x-beta", "1");
        request.send().await.unwrap();
        let dead = gateway.endpoint(&dead.url().replace("http://", "")).await;
        (dead["state"] == "unreachable").then_some(())
    })
    .await;
    let admin = format!("http://{}", gateway.address("admin"));
    let asked = ["GET", "/api/orders/7", "-H", "x-beta: 1", "--admin", &admin];
    let told = explain_json(&asked, gateway.folder()).await;
    assert_eq!(told["generation"], 1);
    assert_eq!(told["endpoint"]["chosen"], well.addr().to_string());
    assert_eq!(told["endpoint"]["steps"][0]["step"], "reachable");
    let (code, said) = explain(&asked, gateway.folder()).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&format!("endpoint {} by peak_ewma", well.addr())),
        "{said}"
    );
    assert!(said.contains("unreachable"), "{said}");

    let nobody = ["GET", "/", "--admin", &dead.url()];
    let (code, said) = explain(&nobody, gateway.folder()).await;
    assert_eq!(code, 1);
    assert!(said.contains("cannot be asked"), "{said}");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_request_of_a_client_who_may_is_explained_in_place_of_its_answer() {
    let upstream = Fake::echo("service").await;
    let rest = |clients: &str| {
        format!(
            "explain: {{ clients: [{clients}] }}\n\
             upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n  \
             - {{ name: beta, match: {{ prefix: /, headers: {{ x-beta: '1' }} }}, to: {{ upstream: service }} }}\n",
            upstream.url()
        )
    };
    let gateway = Gateway::start(GATEWAY, &rest("127.0.0.0/8")).await;
    let ask = async |gateway: &Gateway, beta: &str| {
        let request = gateway.client().get(gateway.https("/a/../orders"));
        let request = request
            .header("x-gateway-explain", "1")
            .header("x-beta", beta);
        request.reply().await
    };
    let told = ask(&gateway, "1").await.expect(200).json();
    assert_eq!(
        (&told["route"]["name"], &told["request"]["path"]),
        (&json!("beta"), &json!("/orders"))
    );
    assert_eq!(told["to"]["upstream"], "service");
    let told = ask(&gateway, "2").await.expect(200).json();
    assert_eq!(told["refused"]["code"], "no_route");
    assert_eq!(upstream.requests(), 0, "nothing is sent");

    let gateway = Gateway::start(GATEWAY, &rest("10.0.0.0/8")).await;
    ask(&gateway, "2").await.expect_problem(404, "no_route");
    let seen = ask(&gateway, "1").await.expect(200).json();
    assert_eq!(
        seen["headers"]["x-gateway-explain"], "1",
        "a header like any other"
    );
}
