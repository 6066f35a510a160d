//! The signature examples of RFC 7520, section 4: two verify, the rest is refused.

use serde_json::json;

use super::compact::Compact;
use super::jwks::KeySet;
use super::test_issuer::{Issuer, KeyKind, NOW, authenticator_of};
use crate::auth::refused::Reason;

/// Section 3.4, its public part.
const RSA_MODULUS: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";

/// The text that all examples sign (section 4, figure 7), which is no claims at all.
const PAYLOAD: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

/// Header and signature of 4.1, RS256.
const RS256: [&str; 2] = [
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
    "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
];

/// 4.2, PS384.
const PS384: [&str; 2] = [
    "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
    "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
];

/// 4.3, ES512.
const ES512: [&str; 2] = [
    "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
    "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
];

/// 4.4, HS256.
const HS256: [&str; 2] = [
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
    "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
];

/// All keys of sections 3.1, 3.3 and 3.5 that an issuer could publish by mistake or on purpose.
fn keys() -> KeySet {
    let kid = "bilbo.baggins@hobbiton.example";
    let set = json!({ "keys": [
        { "kty": "EC", "kid": kid, "use": "sig", "crv": "P-521",
          "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
          "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1" },
        { "kty": "RSA", "kid": kid, "use": "sig", "n": RSA_MODULUS, "e": "AQAB" },
        { "kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig", "alg": "HS256",
          "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg" },
    ]});
    KeySet::parse(set.to_string().as_bytes()).unwrap()
}

#[track_caller]
fn assert_signature([header, signature]: [&str; 2], expected: Result<(), Reason>) {
    let token = format!("{header}.{PAYLOAD}.{signature}");
    let verdict = Compact::read(&token).and_then(|token| token.check_signature(&keys()));
    assert_eq!(verdict, expected);
}

#[test]
fn the_rsa_signatures_of_4_1_and_4_2_verify() {
    assert_signature(RS256, Ok(()));
    assert_signature(PS384, Ok(()));
}

#[test]
fn they_verify_neither_with_each_others_signature_nor_for_another_text() {
    assert_signature([RS256[0], PS384[1]], Err(Reason::Signature));
    assert_signature([PS384[0], RS256[1]], Err(Reason::Signature));
    let text = PAYLOAD.replacen('S', "T", 1);
    let token = format!("{}.{text}.{}", RS256[0], RS256[1]);
    let verdict = Compact::read(&token).and_then(|token| token.check_signature(&keys()));
    assert_eq!(verdict, Err(Reason::Signature));
}

#[test]
fn what_they_sign_is_no_token_of_anybodys() {
    let authenticator = authenticator_of(&Issuer::new(KeyKind::Rsa, "a"));
    for [header, signature] in [RS256, PS384] {
        let token = format!("{header}.{PAYLOAD}.{signature}");
        assert_eq!(authenticator.verify(&token, NOW), Err(Reason::Malformed));
    }
}

#[test]
fn es512_of_4_3_is_no_algorithm_that_is_known() {
    assert_signature(ES512, Err(Reason::Malformed));
}

#[test]
fn the_symmetric_key_of_4_4_verifies_nothing() {
    assert_signature(HS256, Err(Reason::UnknownKey));
}

#[test]
fn detached_content_and_json_serialisations_of_4_5_to_4_8_are_malformed() {
    let detached = format!("{}..{}", HS256[0], HS256[1]);
    let flattened = json!({
        "payload": PAYLOAD,
        "protected": "eyJhbGciOiJIUzI1NiJ9",
        "header": { "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037" },
        "signature": "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20",
    });
    let general = json!({
        "payload": PAYLOAD,
        "signatures": [{ "protected": RS256[0], "signature": RS256[1] }],
    });
    let authenticator = authenticator_of(&Issuer::new(KeyKind::Rsa, "a"));
    assert_eq!(authenticator.verify(&detached, NOW), Err(Reason::Algorithm));
    for json in [flattened, general] {
        let verdict = authenticator.verify(&json.to_string(), NOW);
        assert_eq!(verdict, Err(Reason::Malformed));
    }
}

#[test]
fn an_encrypted_token_is_malformed() {
    // The form of section 5.6, direct encryption: five parts.
    let token = "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMiOiJBMTI4R0NNIn0..refa467QzzKx6QAB.JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW29rHP8yZOZG7YhL.vbb32Xvllea2OtmHAdccRQ";
    assert_eq!(Compact::read(token).err(), Some(Reason::Malformed));
}
