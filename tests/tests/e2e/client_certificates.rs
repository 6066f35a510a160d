//! Callers who are known by their certificates.

use serde_json::Value;
use tests::upstream::Fake;
use tests::{Authority, Gateway, Reply, ReplyExt as _};

use crate::GATEWAY;

/// A gateway whose edge asks clients for certificates of `authority`.
async fn start(authority: &Authority, upstream: &Fake, clients: &str, provider: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let table = format!(
        "version: 1\nlisteners:\n  \
         - {{ name: edge, bind: \"127.0.0.1:0\", tls: {{ cert: edge.pem, key: edge.key, \
              clients: {{ ca: '{}', {clients} }} }} }}\n\
         admin: {{ bind: \"127.0.0.1:0\" }}\n\
         upstreams: {{ service: {{ endpoints: ['{}'] }} }}\n\
         auth: {{ providers: {{ machines: {{ client_certificate: \
           {{ sans: ['uri:spiffe://shop.test/*', 'dns:*.partners.test'] }}, {provider} }} }} }}\n\
         routes:\n  - {{ match: {{ prefix: /closed }}, to: {{ upstream: service }}, auth: {{ provider: machines }} }}\n  \
         - {{ match: {{ prefix: / }}, to: {{ upstream: service }} }}\n",
        ca.display(),
        upstream.url()
    );
    Gateway::start_table(GATEWAY, &table, &[]).await
}

async fn ask(gateway: &Gateway, (certificate, key): &(String, String), path: &str) -> Reply {
    let client = gateway.client_showing(certificate, key);
    let request = client.get(gateway.https(path));
    request
        .header("client-cert", ":bWFkZSB1cA==:")
        .reply()
        .await
}

#[tokio::test]
async fn a_route_may_ask_for_a_certificate_with_one_of_its_names() {
    let (authority, upstream) = (Authority::new(), Fake::echo("service").await);
    let gateway = start(
        &authority,
        &upstream,
        "required: false",
        "pass_credential: true",
    )
    .await;
    let machine = authority.issue(&["spiffe://shop.test/orders"]);
    let seen = ask(&gateway, &machine, "/closed").await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "spiffe://shop.test/orders");
    let passed_on = seen["headers"]["client-cert"].as_str().unwrap();
    assert!(
        passed_on.len() > 300 && !passed_on.contains("bWFkZSB1cA"),
        "{passed_on}"
    );

    let partner = authority.issue(&["node-1.partners.test"]);
    let seen = ask(&gateway, &partner, "/closed").await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "node-1.partners.test");

    let stranger = authority.issue(&["node-1.elsewhere.test"]);
    ask(&gateway, &stranger, "/closed")
        .await
        .expect_problem(403, "forbidden");
    let seen = ask(&gateway, &stranger, "/open").await.expect(200).json();
    assert_eq!(
        seen["headers"]["client-cert"],
        Value::Null,
        "nobody may make one up"
    );
    let nobody = gateway.get("/closed").await.expect(401);
    assert_eq!(
        nobody.header("www-authenticate"),
        "ClientCertificate realm=\"machines\""
    );
    gateway.get("/open").await.expect(200);
}

#[tokio::test]
async fn certificates_of_another_authority_or_none_where_one_is_required_end_the_handshake() {
    let (authority, upstream) = (Authority::new(), Fake::echo("service").await);
    let gateway = start(
        &authority,
        &upstream,
        "required: true",
        "pass_credential: false",
    )
    .await;
    let machine = authority.issue(&["spiffe://shop.test/orders"]);
    let seen = ask(&gateway, &machine, "/closed").await.expect(200).json();
    assert_eq!(seen["headers"]["client-cert"], Value::Null, "not asked for");

    let (certificate, key) = Authority::new().issue(&["spiffe://shop.test/orders"]);
    let forged = gateway.client_showing(&certificate, &key);
    assert!(forged.get(gateway.https("/open")).send().await.is_err());
    assert!(
        gateway
            .client()
            .get(gateway.https("/open"))
            .send()
            .await
            .is_err()
    );
    let refused = gateway.metric("gateway_connection_errors_total", &["tls_handshake"]);
    assert!(refused.await >= 2.0);
}
