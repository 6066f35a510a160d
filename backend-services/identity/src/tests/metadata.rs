//! The discovery document and the key set.

use serde_json::{Value, json};

use super::fixture::{Fixture, ISSUER};

#[tokio::test]
async fn the_discovery_document_names_the_public_endpoints_and_what_is_supported() {
    let fixture = Fixture::start().await;
    let document = fixture.document("/.well-known/openid-configuration").await;
    assert_eq!(document["issuer"], ISSUER);
    for (member, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("userinfo_endpoint", "/userinfo"),
        ("jwks_uri", "/jwks"),
        ("end_session_endpoint", "/end-session"),
    ] {
        assert_eq!(document[member], format!("{ISSUER}{path}"));
    }
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(
        document["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        document["id_token_signing_alg_values_supported"],
        json!(["ES256"])
    );
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(
        document["authorization_response_iss_parameter_supported"],
        true
    );
    let grants = json!(["authorization_code", "refresh_token", "client_credentials"]);
    assert_eq!(document["grant_types_supported"], grants);
    for scope in ["openid", "offline_access", "customers:write", "orders:read"] {
        let scopes = document["scopes_supported"].as_array().unwrap();
        assert!(scopes.contains(&json!(scope)), "{scope}");
    }
}

#[tokio::test]
async fn the_key_set_holds_one_public_key_named_by_its_thumbprint() {
    let fixture = Fixture::start().await;
    let set = fixture.document("/jwks").await;
    let [key] = set["keys"].as_array().unwrap().as_slice() else {
        panic!("one key in {set}");
    };
    assert_eq!(key["kty"], "EC");
    assert_eq!(key["crv"], "P-256");
    assert_eq!(key["use"], "sig");
    assert_eq!(key["alg"], "ES256");
    assert_eq!(key.get("d"), None, "the private half stays here");
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.clone()).unwrap();
    let thumbprint = jwk
        .thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256)
        .unwrap();
    assert_eq!(key["kid"], Value::String(thumbprint));
}

#[tokio::test]
async fn the_service_is_alive_and_ready() {
    let fixture = Fixture::start().await;
    for path in ["/livez", "/readyz"] {
        let answer = fixture.get(path, &[].into()).await;
        assert!(answer.status().is_success(), "{path}");
    }
}
