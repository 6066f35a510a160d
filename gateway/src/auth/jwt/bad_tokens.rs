//! Tokens that must not pass, one wrong thing at a time, and good ones that must.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::test_issuer::{ISSUER, Issuer, KeyKind, NOW, authenticator_of, claims, merged};
use crate::auth::refused::Reason;

/// An issuer whose keys the gateway has, and what the gateway says of a token at `NOW`.
struct Bench {
    issuer: Issuer,
    authenticator: std::sync::Arc<Authenticator>,
}

impl Bench {
    fn new(kind: KeyKind) -> Self {
        let issuer = Issuer::new(kind, "key-1");
        let authenticator = authenticator_of(&issuer);
        Self {
            issuer,
            authenticator,
        }
    }

    fn verdict(&self, token: &str) -> Result<(), Reason> {
        self.authenticator.verify(token, NOW).map(drop)
    }

    #[track_caller]
    fn assert_header(&self, edit: Value, expected: Result<(), Reason>) {
        let token = self
            .issuer
            .sign(&merged(self.issuer.header(), &edit), &claims());
        assert_eq!(self.verdict(&token), expected, "header {edit}");
    }

    #[track_caller]
    fn assert_claims(&self, edit: Value, expected: Result<(), Reason>) {
        let token = self
            .issuer
            .sign(&self.issuer.header(), &merged(claims(), &edit));
        assert_eq!(self.verdict(&token), expected, "claims {edit}");
    }
}

#[test]
fn a_good_token_of_every_key_type_passes_twice() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa] {
        let bench = Bench::new(kind);
        let token = bench.issuer.token();
        for round in ["verified", "from the cache"] {
            let verified = bench.authenticator.verify(&token, NOW).unwrap();
            assert_eq!(verified.claims["sub"], "user-42", "{kind:?} {round}");
            assert!(verified.scopes.contains("orders:write"));
            let headers: http::HeaderMap = verified.headers.iter().cloned().collect();
            assert_eq!(headers["x-user-id"], "user-42");
            assert_eq!(headers["x-user-scopes"], "orders:read orders:write");
        }
    }
}

#[test]
fn headers_that_bring_or_name_a_key_or_need_an_extension_are_refused() {
    let bench = Bench::new(KeyKind::P256);
    let own_key = bench.issuer.jwk();
    for edit in [
        json!({ "jwk": own_key }),
        json!({"jku": "https://evil.test/jwks"}),
        json!({"x5u": "https://evil.test/cert"}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
        json!({"zip": "DEF"}),
        json!({"enc": "A128GCM"}),
    ] {
        bench.assert_header(edit, Err(Reason::HeaderParameter));
    }
}

#[test]
fn the_algorithm_must_be_allowed_and_fit_the_key() {
    let bench = Bench::new(KeyKind::P256);
    bench.assert_header(json!({"alg": "HS256"}), Err(Reason::Algorithm));
    bench.assert_header(json!({"alg": "HS512"}), Err(Reason::Algorithm));
    bench.assert_header(json!({"alg": "RS512"}), Err(Reason::Algorithm));
    bench.assert_header(json!({"alg": "RS256"}), Err(Reason::Algorithm));
    bench.assert_header(json!({"alg": "ES384"}), Err(Reason::Algorithm));
    bench.assert_header(json!({"alg": "none"}), Err(Reason::Malformed));
    bench.assert_header(json!({"alg": "None"}), Err(Reason::Malformed));
    bench.assert_header(json!({"alg": ""}), Err(Reason::Malformed));
    bench.assert_header(json!({"alg": null}), Err(Reason::Malformed));
}

#[test]
fn an_unsigned_token_is_refused_however_it_is_spelled() {
    let bench = Bench::new(KeyKind::P256);
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = encoded(claims());
    let unsigned = format!(
        "{}.{body}.",
        encoded(json!({"alg": "none", "kid": "key-1"}))
    );
    assert_eq!(bench.verdict(&unsigned), Err(Reason::Malformed));
    let stripped = format!("{}.{body}.", encoded(bench.issuer.header()));
    assert_eq!(bench.verdict(&stripped), Err(Reason::Signature));
    let zeros = URL_SAFE_NO_PAD.encode([0_u8; 64]);
    let psychic = format!("{}.{body}.{zeros}", encoded(bench.issuer.header()));
    assert_eq!(bench.verdict(&psychic), Err(Reason::Signature));
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let bench = Bench::new(KeyKind::Rsa);
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": "key-1"}).to_string());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims().to_string()));
    let secret = jsonwebtoken::EncodingKey::from_secret(bench.issuer.jwk().to_string().as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256)
            .unwrap();
    assert_eq!(
        bench.verdict(&format!("{message}.{signature}")),
        Err(Reason::Algorithm)
    );
}

#[test]
fn the_key_is_the_one_with_the_kid() {
    let bench = Bench::new(KeyKind::P256);
    bench.assert_header(json!({"kid": null}), Ok(()));
    bench.assert_header(json!({"kid": "other"}), Err(Reason::UnknownKey));
    bench.assert_header(json!({"kid": "../../etc/passwd"}), Err(Reason::UnknownKey));
    bench.assert_header(json!({"kid": ["key-1"]}), Err(Reason::Malformed));
    let stranger = Issuer::new(KeyKind::P256, "key-1").token();
    assert_eq!(bench.verdict(&stranger), Err(Reason::Signature));
}

#[test]
fn the_type_must_be_that_of_an_access_token_or_none() {
    let bench = Bench::new(KeyKind::P256);
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        bench.assert_header(json!({ "typ": typ }), Ok(()));
    }
    bench.assert_header(json!({"typ": null}), Ok(()));
    for typ in [
        "id_token+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "JOSE",
        "",
    ] {
        bench.assert_header(json!({ "typ": typ }), Err(Reason::Type));
    }
}

#[test]
fn the_issuer_is_compared_letter_by_letter() {
    let bench = Bench::new(KeyKind::P256);
    for issuer in [
        json!(null),
        json!(format!("{ISSUER}/")),
        json!(ISSUER.to_uppercase()),
        json!([ISSUER]),
        json!({ "iss": ISSUER }),
        json!(""),
    ] {
        bench.assert_claims(json!({ "iss": issuer }), Err(Reason::Issuer));
    }
}

#[test]
fn one_of_the_audiences_must_be_ours() {
    let bench = Bench::new(KeyKind::P256);
    bench.assert_claims(json!({"aud": ["other", "shop"]}), Ok(()));
    for audience in [
        json!(null),
        json!("other"),
        json!("shop2"),
        json!([]),
        json!(["Shop", 7]),
    ] {
        bench.assert_claims(json!({ "aud": audience }), Err(Reason::Audience));
    }
}

#[test]
fn times_are_checked_with_a_minute_of_skew() {
    let bench = Bench::new(KeyKind::P256);
    bench.assert_claims(json!({"exp": NOW - 59}), Ok(()));
    bench.assert_claims(json!({"exp": NOW - 60}), Err(Reason::Expired));
    bench.assert_claims(json!({"exp": 0}), Err(Reason::Expired));
    bench.assert_claims(json!({"exp": (NOW + 1) as f64 + 0.5}), Ok(()));
    bench.assert_claims(json!({"nbf": NOW + 60}), Ok(()));
    bench.assert_claims(json!({"nbf": NOW + 61}), Err(Reason::NotYetValid));
    bench.assert_claims(json!({"exp": u64::MAX}), Ok(()));
    for no_date in [
        json!("soon"),
        json!("1800000300"),
        json!(-1),
        json!([NOW + 300]),
        json!(1e300),
    ] {
        bench.assert_claims(json!({ "exp": no_date }), Err(Reason::Malformed));
        bench.assert_claims(json!({ "nbf": no_date }), Err(Reason::Malformed));
    }
    bench.assert_claims(json!({"exp": null}), Err(Reason::Malformed));
}

#[test]
fn a_token_that_ages_in_the_cache_expires_all_the_same() {
    let bench = Bench::new(KeyKind::P256);
    let token = bench.issuer.token();
    assert!(bench.authenticator.verify(&token, NOW).is_ok());
    assert!(bench.authenticator.verify(&token, NOW + 359).is_ok());
    for _ in 0..2 {
        let late = bench.authenticator.verify(&token, NOW + 360);
        assert_eq!(late.err(), Some(Reason::Expired));
    }
}

#[test]
fn a_token_that_differs_in_one_character_is_another_token() {
    let bench = Bench::new(KeyKind::P256);
    let token = bench.issuer.token();
    assert_eq!(bench.verdict(&token), Ok(()));
    for at in [token.len() - 2, token.find('.').unwrap() + 5, 5] {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(
            bench.verdict(std::str::from_utf8(&bytes).unwrap()).is_err(),
            "at {at}"
        );
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let bench = Bench::new(KeyKind::P256);
    let good = bench.issuer.token();
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9.e30",
        &format!("{good}.x"),
        &format!(" {good}"),
        &format!("{good}="),
    ] {
        assert_eq!(bench.verdict(text), Err(Reason::Malformed), "{text:?}");
    }
    let huge = "a".repeat(super::compact::TOKEN_BYTES_MAX + 1);
    assert_eq!(bench.verdict(&huge), Err(Reason::TooLarge));
}

#[test]
fn claims_of_the_wrong_shape_are_malformed() {
    let bench = Bench::new(KeyKind::P256);
    let header = bench.issuer.header().to_string();
    for claims in ["[]", "\"text\"", "null", "{", "", "{\"iss\":}"] {
        let token = bench.issuer.sign_text(&header, claims);
        assert_eq!(bench.verdict(&token), Err(Reason::Malformed), "{claims}");
    }
    bench.assert_claims(json!({"sub": 42}), Err(Reason::Malformed));
    bench.assert_claims(json!({"sub": {"id": 1}}), Err(Reason::Malformed));
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let token = bench
        .issuer
        .sign_text(&header, &format!("{{\"x\":{deep}}}"));
    assert_eq!(bench.verdict(&token), Err(Reason::Malformed));
}

#[test]
fn a_token_without_a_subject_has_none() {
    let bench = Bench::new(KeyKind::P256);
    let token = bench.issuer.sign(
        &bench.issuer.header(),
        &merged(claims(), &json!({"sub": null})),
    );
    let verified = bench.authenticator.verify(&token, NOW).unwrap();
    let names: Vec<&str> = verified
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["x-user-scopes"]);
}
