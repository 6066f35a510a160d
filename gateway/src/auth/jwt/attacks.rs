//! What forgers try, in one table: each token differs from a good one in one way, and none passes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::authenticator::Authenticator;
use super::test_issuer::{ISSUER, Issuer, KeyKind, NOW, authenticator_of, claims, merged};

/// A name for each token.
type Attacks = Vec<(String, String)>;

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with this header and a signature that was not made for it.
fn with_signature(header: &Value, signature: &str) -> String {
    let (header, claims) = (header.to_string(), claims().to_string());
    format!("{}.{}.{signature}", encoded(header), encoded(claims))
}

/// Tokens without a signature that counts.
fn unsigned(issuer: &Issuer) -> Attacks {
    let good = issuer.token();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let algorithms = [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!("none "),
        json!(""),
        json!(null),
        json!(0),
        json!(["ES256"]),
        json!({ "alg": "ES256" }),
    ];
    let mut attacks: Attacks = Vec::new();
    for algorithm in algorithms {
        let header = merged(issuer.header(), &json!({ "alg": algorithm }));
        attacks.push((
            format!("alg {algorithm}, no signature"),
            with_signature(&header, ""),
        ));
        let kept = with_signature(&header, signature);
        attacks.push((format!("alg {algorithm}, another signature"), kept));
    }
    attacks.push(("signature cut off".into(), format!("{message}.")));
    attacks.push(("signature and dot cut off".into(), message.to_owned()));
    attacks
}

/// A public key taken for a secret, and keys for other algorithms than theirs.
fn confused(issuer: &Issuer) -> Attacks {
    let jwk = issuer.jwk();
    let secrets = [
        ("the JWK", jwk.to_string()),
        ("the key set", issuer.jwks()),
        ("its x", jwk["x"].as_str().unwrap().to_owned()),
        ("its y", jwk["y"].as_str().unwrap().to_owned()),
        ("its kid", issuer.kid.clone()),
        ("nothing", String::new()),
    ];
    let mut attacks: Attacks = Vec::new();
    for (what, secret) in secrets {
        for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512)] {
            let header = merged(issuer.header(), &json!({ "alg": name }));
            let token = with_signature(&header, "");
            let message = token.trim_end_matches('.').to_owned();
            let key = EncodingKey::from_secret(secret.as_bytes());
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
            let forged = format!("{message}.{signature}");
            attacks.push((format!("{name} with {what} as the secret"), forged));
        }
    }
    for name in [
        "ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA", "es256", "ES256 ", "SHA256",
    ] {
        let header = merged(issuer.header(), &json!({ "alg": name }));
        let token = issuer.sign(&header, &claims());
        attacks.push((format!("alg {name} for a P-256 key"), token));
    }
    attacks
}

/// Keys that the token brings, names or guesses.
fn own_keys(issuer: &Issuer) -> Attacks {
    let forger = Issuer::new(KeyKind::P256, &issuer.kid);
    let mut attacks = vec![("another key, the same kid".into(), forger.token())];
    for edit in [
        json!({ "jwk": forger.jwk() }),
        json!({ "jku": "https://evil.test/jwks" }),
        json!({ "jku": format!("{ISSUER}/../evil/jwks") }),
        json!({ "x5u": "https://evil.test/cert.pem" }),
        json!({ "x5c": [encoded("a certificate")] }),
        json!({ "x5t": encoded("a thumbprint") }),
        json!({ "kid": "other" }),
        json!({ "kid": "KEY-1" }),
        json!({ "kid": "key-1 " }),
        json!({ "kid": "" }),
        json!({ "kid": "../../../../dev/null" }),
        json!({ "kid": "/proc/sys/kernel/randomize_va_space" }),
        json!({ "kid": "key-1' OR '1'='1" }),
        json!({ "kid": "key-1\u{0}" }),
        json!({ "kid": "key-1; cat /etc/passwd" }),
        json!({ "kid": "k".repeat(4096) }),
        json!({ "kid": ["key-1"] }),
        json!({ "kid": 1 }),
    ] {
        let token = forger.sign(&merged(forger.header(), &edit), &claims());
        let name: String = edit.to_string().chars().take(60).collect();
        attacks.push((name, token));
    }
    attacks
}

/// Headers of good signatures that say how else the token is to be read.
fn extended(issuer: &Issuer) -> Attacks {
    let edits = [
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": "exp" }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "b64": false }),
        json!({ "b64": true }),
        json!({ "zip": "DEF" }),
        json!({ "enc": "A128GCM" }),
        json!({ "typ": "id_token+jwt" }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": "JWE" }),
        json!({ "typ": "" }),
        json!({ "typ": 1 }),
    ];
    let token = |edit: &Value| issuer.sign(&merged(issuer.header(), edit), &claims());
    let attacks = edits.iter().map(|edit| (edit.to_string(), token(edit)));
    attacks.collect()
}

/// Other ways to write a token.
fn misspelt(issuer: &Issuer) -> Attacks {
    let good = issuer.token();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!("three parts")
    };
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let last = signature.chars().last().unwrap();
    // 64 bytes leave four bits of the last digit unused.
    let other_last = if last == 'B' { 'C' } else { 'B' };
    let unused_bits = format!("{}{other_last}", signature.split_at(signature.len() - 1).0);
    let json = json!({ "protected": header, "payload": payload, "signature": signature });
    let nested = issuer.sign_text(&issuer.header().to_string(), &format!("\"{good}\""));
    let named: [(&str, String); 20] = [
        ("empty", String::new()),
        ("dots", "..".into()),
        ("half", good.split_at(good.len() / 2).0.into()),
        (
            "one character short",
            good.split_at(good.len() - 1).0.into(),
        ),
        ("a fourth part", format!("{good}.{signature}")),
        ("a fifth part", format!("{good}.a.b")),
        ("a dot before", format!(".{good}")),
        ("a dot after", format!("{good}.")),
        ("space before", format!(" {good}")),
        ("line end after", format!("{good}\n")),
        (
            "line end within",
            format!("{header}.\n{payload}.{signature}"),
        ),
        (
            "padding",
            format!("{header}.{payload}.{}", URL_SAFE.encode(&bytes)),
        ),
        (
            "another alphabet",
            format!("{header}.{payload}.{}+/", STANDARD_NO_PAD.encode(&bytes)),
        ),
        (
            "unused bits set",
            format!("{header}.{payload}.{unused_bits}"),
        ),
        ("percent-encoded", good.replace('.', "%2E")),
        ("as JSON", json.to_string()),
        ("a token in a token", nested),
        ("upper case", good.to_uppercase()),
        ("twice", format!("{good}{good}")),
        (
            "huge",
            format!("{header}.{}.{signature}", "A".repeat(20_000)),
        ),
    ];
    named.map(|(name, token)| (name.to_owned(), token)).into()
}

/// Signatures that lazy mathematics would take.
fn mathematical(issuer: &Issuer) -> Attacks {
    /// The order of P-256's group (FIPS 186-5).
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let good = issuer.token();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = bytes.split_at(32);
    let mut flipped = bytes.clone();
    flipped[40] ^= 1;
    let der = {
        let integer = |number: &[u8]| [&[2, 33, 0][..], number].concat();
        let both = [integer(r), integer(s)].concat();
        [&[0x30, u8::try_from(both.len()).unwrap()][..], &both].concat()
    };
    let zero = [0_u8; 32];
    let mut one = zero;
    one[31] = 1;
    let signatures: [(&str, Vec<u8>); 13] = [
        ("r and s are 0", [zero, zero].concat()),
        ("r is 0", [&zero, s].concat()),
        ("s is 0", [r, &zero].concat()),
        ("r and s are 1", [one, one].concat()),
        ("r is n", [&N, s].concat()),
        ("s is n", [r, &N].concat()),
        ("r and s are n", [N, N].concat()),
        ("r and s swapped", [s, r].concat()),
        ("in DER", der),
        ("a byte short", bytes[..63].to_vec()),
        ("a byte more", [&bytes[..], &[0]].concat()),
        ("a bit flipped", flipped),
        ("of P-384's length", [&bytes[..], &zero].concat()),
    ];
    let token = |signature: &[u8]| format!("{message}.{}", encoded(signature));
    let attacks = signatures.iter();
    attacks
        .map(|(name, signature)| ((*name).to_owned(), token(signature)))
        .collect()
}

/// An object without its first brace, to write something before it.
fn inner(object: &str) -> &str {
    object.strip_prefix('{').unwrap()
}

/// Well-signed claims that are not for us, not for now, or not one thing.
fn misclaimed(issuer: &Issuer) -> Attacks {
    let edits = [
        json!({ "exp": NOW - 61 }),
        json!({ "exp": null }),
        json!({ "exp": "1900000000" }),
        json!({ "exp": -1 }),
        json!({ "exp": 1e300 }),
        json!({ "exp": [NOW + 300] }),
        json!({ "nbf": NOW + 61 }),
        json!({ "nbf": "0" }),
        json!({ "aud": "other" }),
        json!({ "aud": "Shop" }),
        json!({ "aud": [] }),
        json!({ "aud": { "shop": true } }),
        json!({ "aud": null }),
        json!({ "iss": format!("{ISSUER}/") }),
        json!({ "iss": format!("{ISSUER}.evil.test") }),
        json!({ "iss": [ISSUER] }),
        json!({ "iss": null }),
        json!({ "sub": { "id": 1 } }),
    ];
    let token = |edit: &Value| issuer.sign(&issuer.header(), &merged(claims(), edit));
    let mut attacks: Attacks = edits
        .iter()
        .map(|edit| (edit.to_string(), token(edit)))
        .collect();
    let header = issuer.header().to_string();
    let good = claims().to_string();
    for twice in ["exp", "iss", "aud", "sub", "scope"] {
        let once_more = format!("{{\"{twice}\":{},{}", claims()[twice], inner(&good));
        attacks.push((
            format!("{twice} twice"),
            issuer.sign_text(&header, &once_more),
        ));
    }
    for (name, value) in [
        ("alg", "\"none\""),
        ("kid", "\"other\""),
        ("typ", "\"JWT\""),
    ] {
        let once_more = format!("{{\"{name}\":{value},{}", inner(&header));
        attacks.push((
            format!("header {name} twice"),
            issuer.sign_text(&once_more, &good),
        ));
    }
    for (name, text) in [
        ("a list", "[]"),
        ("a text", "\"claims\""),
        ("nothing", ""),
        ("half", "{\"iss\":"),
        ("two objects", "{}{}"),
    ] {
        attacks.push((
            format!("claims are {name}"),
            issuer.sign_text(&header, text),
        ));
    }
    attacks
}

fn assert_none_passes(authenticator: &Authenticator, attacks: &Attacks) {
    let passed: Vec<_> = attacks
        .iter()
        // A token that is refused stays refused: nothing of it is remembered.
        .filter(|(_, token)| (0..2).any(|_| authenticator.verify(token, NOW).is_ok()))
        .map(|(name, _)| name)
        .collect();
    assert!(passed.is_empty(), "passed: {passed:?}");
}

#[test]
fn no_forged_token_passes() {
    let issuer = Issuer::new(KeyKind::P256, "key-1");
    let authenticator = authenticator_of(&issuer);
    let mut attacks = unsigned(&issuer);
    for more in [
        confused,
        own_keys,
        extended,
        misspelt,
        mathematical,
        misclaimed,
    ] {
        attacks.extend(more(&issuer));
    }
    assert_none_passes(&authenticator, &attacks);
    let mut tokens: Vec<_> = attacks.into_iter().map(|(_, token)| token).collect();
    tokens.sort();
    tokens.dedup();
    assert!(tokens.len() >= 80, "{} different ones", tokens.len());
    assert!(authenticator.verify(&issuer.token(), NOW).is_ok());
}

#[test]
fn rsa_and_edwards_keys_are_not_confused_either() {
    for kind in [KeyKind::Rsa, KeyKind::P384, KeyKind::Ed25519] {
        let issuer = Issuer::new(kind, "key-1");
        let mut attacks = unsigned(&issuer);
        attacks.extend(own_keys(&issuer));
        for name in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"] {
            let header = issuer.header();
            if header["alg"] != name {
                let header = merged(header, &json!({ "alg": name }));
                attacks.push((name.to_owned(), issuer.sign(&header, &claims())));
            }
        }
        assert_none_passes(&authenticator_of(&issuer), &attacks);
    }
}
