//! README's promise: about ten lines put the gateway before any HTTP server.

use tests::upstream::Fake;
use tests::{Gateway, ReplyExt as _, plain_client};

use crate::GATEWAY;

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));

/// README's own table: the only YAML block of the page.
fn readme_table() -> &'static str {
    let (_, block) = README.split_once("```yaml\n").unwrap();
    block.split_once("```").unwrap().0
}

#[tokio::test]
async fn the_table_of_the_readme_puts_the_gateway_before_any_http_server() {
    assert!(
        readme_table().lines().count() <= 12,
        "about ten lines are promised"
    );
    let monolith = Fake::echo("monolith").await;
    let mut table = readme_table().to_owned();
    for (written, here) in [
        ("127.0.0.1:8080", "127.0.0.1:0"),
        ("127.0.0.1:9901", "127.0.0.1:0"),
        ("127.0.0.1:3000", &monolith.addr().to_string()),
    ] {
        assert!(table.contains(written), "README names {written}");
        table = table.replace(written, here);
    }
    let gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let url = gateway.http("edge", "/shop/cart?item=7");
    let reply = plain_client()
        .post(url)
        .body("hello")
        .reply()
        .await
        .expect(200);
    assert_eq!(reply.served_by(), "monolith");
    let seen = reply.json();
    assert_eq!(
        (&seen["method"], &seen["path"]),
        (&"POST".into(), &"/shop/cart".into())
    );
    assert_eq!(
        (&seen["query"], &seen["body_bytes"]),
        (&"item=7".into(), &5.into())
    );
}
