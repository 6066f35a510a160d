//! Spellings of one path and what becomes of them.

use proptest::prelude::*;

use super::canonicalize;
use super::refused::PathRefused;

#[track_caller]
fn assert_canonical(raw: &str, expected: &str) {
    match canonicalize(raw) {
        Ok(path) => assert_eq!(path.as_str(), expected, "for {raw:?}"),
        Err(refused) => panic!("{raw:?} was refused: {refused}"),
    }
}

#[track_caller]
fn assert_refused(raw: &str, expected: PathRefused) {
    match canonicalize(raw) {
        Ok(path) => panic!("{raw:?} became {:?}", path.as_str()),
        Err(refused) => assert_eq!(refused, expected, "for {raw:?}"),
    }
}

#[test]
fn what_a_table_takes_for_a_literal_is_canonical_and_can_be_reached() {
    for literal in [
        "/a%20b",
        "/caf%C3%A9",
        "/a%7Cb%22",
        "/100%25",
        "/(a)!$&'*,=;+:@",
        "/a-b_c~d.e",
    ] {
        crate::routing::table_for_test(&format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
             upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1'] }} }}\n\
             routes: [{{ match: {{ path: \"{literal}\" }}, to: {{ upstream: a }} }}]\n"
        ));
        assert_canonical(literal, literal);
    }
}

#[test]
fn every_good_spelling_comes_to_one_form() {
    for (raw, expected) in [
        ("/", "/"),
        ("/api/orders/42", "/api/orders/42"),
        ("/api/orders/", "/api/orders/"),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/a.b/c..d", "/a.b/c..d"),
        ("/...", "/..."),
        ("/..a/b", "/..a/b"),
        ("/a/b.", "/a/b."),
        ("/%61pi", "/api"),
        ("/%41PI", "/API"),
        ("/%7Euser", "/~user"),
        ("/%7euser", "/~user"),
        ("/a%2Db%2ec%5Fd", "/a-b.c_d"),
        ("/%30%39", "/09"),
        ("/a%3ab", "/a%3Ab"),
        ("/a:b@c", "/a:b@c"),
        ("/a%20b", "/a%20b"),
        ("/a+b", "/a+b"),
        ("/a%2bb", "/a%2Bb"),
        ("/100%25", "/100%25"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/%252fa", "/%252fa"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a%3bv=1/b", "/a%3Bv=1/b"),
        ("/(a)!$&'*,=", "/(a)!$&'*,="),
        ("/a|b", "/a%7Cb"),
        ("/a%7cb", "/a%7Cb"),
        ("/{id}", "/%7Bid%7D"),
        ("/[1]^`\"<>", "/%5B1%5D%5E%60%22%3C%3E"),
        ("/a%3fb%23c", "/a%3Fb%23c"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/%e2%82%ac", "/%E2%82%AC"),
        ("/%F0%9F%8D%B5/x", "/%F0%9F%8D%B5/x"),
        ("/.", "/"),
        ("/./", "/"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/../b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2E./b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/b/%2e%2e", "/a/"),
        ("//", "/"),
        ("//a", "/a"),
        ("/a//b", "/a/b"),
        ("/a///b//", "/a/b/"),
        ("/a/.//b", "/a/b"),
        ("//evil.test/a", "/evil.test/a"),
    ] {
        assert_canonical(raw, expected);
    }
}

#[test]
fn what_has_no_single_reading_is_refused() {
    use PathRefused as Refused;
    for (raw, expected) in [
        ("", Refused::NotAbsolute),
        ("*", Refused::NotAbsolute),
        ("a/b", Refused::NotAbsolute),
        ("%2Fa", Refused::NotAbsolute),
        ("http://a/b", Refused::NotAbsolute),
        ("/a%2Fb", Refused::EncodedSlash),
        ("/a%2fb", Refused::EncodedSlash),
        ("/public/..%2fadmin", Refused::EncodedSlash),
        ("/a\\b", Refused::Backslash),
        ("/a%5Cb", Refused::Backslash),
        ("/a%5c..%5cb", Refused::Backslash),
        ("/a%00", Refused::Control),
        ("/a%0d%0aX:%20b", Refused::Control),
        ("/a%09b", Refused::Control),
        ("/a%1Fb", Refused::Control),
        ("/a%7Fb", Refused::Control),
        ("/a\tb", Refused::Control),
        ("/a\u{7f}b", Refused::Control),
        ("/a b", Refused::InvalidCharacter),
        ("/a?b", Refused::InvalidCharacter),
        ("/a#b", Refused::InvalidCharacter),
        ("/a%", Refused::InvalidEscape),
        ("/a%2", Refused::InvalidEscape),
        ("/a%zz", Refused::InvalidEscape),
        ("/a%2g", Refused::InvalidEscape),
        ("/a%%32", Refused::InvalidEscape),
        ("/a%u002f", Refused::InvalidEscape),
        ("/a%+1", Refused::InvalidEscape),
        ("/%C0%AF", Refused::InvalidUtf8),
        ("/%c0%ae%c0%ae/a", Refused::InvalidUtf8),
        ("/%E0%80%AF", Refused::InvalidUtf8),
        ("/%F0%80%80%AF", Refused::InvalidUtf8),
        ("/%ED%A0%80", Refused::InvalidUtf8),
        ("/%FF", Refused::InvalidUtf8),
        ("/caf%E9", Refused::InvalidUtf8),
        ("/%C3x%A9", Refused::InvalidUtf8),
        ("/%C3", Refused::InvalidUtf8),
        ("/..", Refused::LeavesRoot),
        ("/../a", Refused::LeavesRoot),
        ("/a/../../b", Refused::LeavesRoot),
        ("/%2e%2e/a", Refused::LeavesRoot),
        ("/./../a", Refused::LeavesRoot),
        ("/a/..;/b", Refused::DotSegmentParameters),
        ("/a/..;x=1/b", Refused::DotSegmentParameters),
        ("/a/.;/b", Refused::DotSegmentParameters),
        ("/a/%2e%2e;/b", Refused::DotSegmentParameters),
        ("/a/..%3b/b", Refused::DotSegmentParameters),
        ("/a//../b", Refused::EmptyAndParentSegments),
        ("//a/..", Refused::EmptyAndParentSegments),
        ("/a/%2e%2e//b", Refused::EmptyAndParentSegments),
    ] {
        assert_refused(raw, expected);
    }
}

#[test]
fn a_canonical_path_is_borrowed() {
    for raw in ["/", "/api/orders/42", "/.well-known/x", "/a%20b", "/a:b;c"] {
        let path = canonicalize(raw).unwrap();
        assert!(!path.is_rewritten(), "{raw:?} was copied");
    }
    assert!(canonicalize("/%61").unwrap().is_rewritten());
}

#[test]
fn a_path_may_have_8192_bytes_before_and_after() {
    let longest = format!("/{}", "a".repeat(8191));
    assert_canonical(&longest, &longest);
    assert_refused(&format!("{longest}a"), PathRefused::TooLong);
    assert_refused(&format!("/{}", "|".repeat(4000)), PathRefused::TooLong);
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{0,3}",
        "[!-~]{0,4}",
        "(%[0-9a-fA-F]{2}){1,3}",
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("%2e%2E".to_owned()),
        Just("é".to_owned()),
        ".{0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_canonical_form_is_stable_and_unambiguous(
        segments in prop::collection::vec(segment(), 0..8),
    ) {
        let raw = format!("/{}", segments.join("/"));
        if let Ok(path) = canonicalize(&raw) {
            let text = path.as_str();
            prop_assert!(text.starts_with('/'));
            prop_assert!(text.is_ascii());
            prop_assert!(!text.contains("//"));
            prop_assert!(!text.contains('\\'));
            prop_assert!(!text.split('/').any(|segment| segment == "." || segment == ".."));
            let again = canonicalize(text).expect("a canonical path is accepted");
            prop_assert_eq!(again.as_str(), text);
            prop_assert!(!again.is_rewritten());
        }
    }

    #[test]
    fn spelling_letters_as_escapes_changes_nothing(path in "(/[a-z0-9._~-]{1,5}){1,4}") {
        let escaped: String = path
            .bytes()
            .map(|byte| match byte {
                b'/' => "/".to_owned(),
                byte => format!("%{byte:02x}"),
            })
            .collect();
        let text = |raw| canonicalize(raw).map(|path| path.as_str().to_owned());
        prop_assert_eq!(text(&path), text(&escaped));
    }
}
