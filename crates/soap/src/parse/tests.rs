use proptest::prelude::*;

use super::*;

#[track_caller]
fn refused(document: &str) -> ParseError {
    match parse(document.as_bytes()) {
        Err(error) => error,
        Ok(element) => panic!("should have been refused, gave {element:?}"),
    }
}

#[test]
fn names_are_resolved_and_text_is_decoded() {
    let document = "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- x -->\
        <p:a xmlns:p='urn:p' xmlns='urn:d' p:k='&lt;v' l='1'>\n <b>1 &amp;&#x41;<![CDATA[<&]]></b> <p:c/></p:a>\n";
    let root = parse(document.as_bytes()).unwrap();
    assert!(root.is("urn:p", "a"));
    assert_eq!(root.text, "");
    assert_eq!(root.attribute("urn:p", "k"), Some("<v"));
    assert_eq!(root.attribute("", "l"), Some("1"));
    assert_eq!(root.children[0].text, "1 &A<&");
    assert!(root.children[0].is("urn:d", "b") && root.children[1].is("urn:p", "c"));
}

#[test]
fn a_billion_laughs_are_refused_at_the_document_type() {
    let document =
        r#"<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>"#;
    assert_eq!(refused(document), ParseError::DocumentType);
}

#[test]
fn an_external_entity_is_refused_at_the_document_type() {
    for document in [
        r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>"#,
        r#"<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><x/>"#,
        r#"<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><x/>"#,
    ] {
        assert_eq!(refused(document), ParseError::DocumentType);
    }
}

#[test]
fn an_entity_without_a_document_type_is_refused() {
    assert_eq!(refused("<x>&e;</x>"), ParseError::Entity);
    assert_eq!(refused("<x k='&e;'/>"), ParseError::Entity);
}

#[test]
fn processing_instructions_are_refused() {
    assert_eq!(
        refused("<x><?php ?></x>"),
        ParseError::ProcessingInstruction
    );
}

#[test]
fn deep_nesting_is_refused_and_the_limit_itself_is_not() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(refused(&nested(DEPTH_MAX + 1)), ParseError::TooDeep);
    assert_eq!(refused(&"<a>".repeat(300_000)), ParseError::TooDeep);
}

#[test]
fn width_is_bounded_too() {
    let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
    assert_eq!(refused(&wide), ParseError::TooManyElements);
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(
        refused(&format!("<a{attributes}/>")),
        ParseError::TooManyAttributes
    );
    let declarations: String = (0..40).map(|n| format!(" xmlns:a{n}='u'")).collect();
    assert_eq!(
        refused(&format!("<a{declarations}/>")),
        ParseError::TooManyAttributes
    );
    let long = format!("<a xmlns='{}'/>", "u".repeat(NAMESPACE_BYTES_MAX + 1));
    assert_eq!(refused(&long), ParseError::Namespace);
    assert_eq!(
        refused(&" ".repeat(DOCUMENT_BYTES_MAX + 1)),
        ParseError::TooLarge
    );
}

#[test]
fn a_truncated_document_is_refused_wherever_it_is_cut() {
    let document = "<a k='v'><b>text &amp; more</b><!-- c --><![CDATA[d]]></a>";
    for end in 0..document.len() {
        assert!(parse(&document.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(refused("<a><b></b>"), ParseError::Truncated);
    assert_eq!(refused("<a><b"), ParseError::Truncated);
    assert_eq!(refused(""), ParseError::Truncated);
}

#[test]
fn only_utf8_is_read() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&utf16), Err(ParseError::NotUtf8));
    assert_eq!(parse(b"<a>Caf\xe9</a>"), Err(ParseError::NotUtf8));
    let latin = "<?xml version='1.0' encoding='iso-8859-1'?><a/>";
    assert_eq!(refused(latin), ParseError::Declaration);
    assert_eq!(
        refused("<?xml version='1.1'?><a/>"),
        ParseError::Declaration
    );
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for document in [
        "<a></b>",
        "<a/><b/>",
        "text",
        "<a/>text",
        "<a k='1' k='2'/>",
        "<a k=1/>",
        "<a k='<'/>",
        "<a>]]></a>",
        "<a>\u{1}</a>",
        "<a>&#1;</a>",
        "<a>& b</a>",
        "<a><?xml version='1.0'?></a>",
        " <?xml version='1.0'?><a/>",
        "<1a/>",
        "<a><!-- -- --></a>",
        "<![CDATA[x]]><a/>",
        "</a>",
    ] {
        let error = refused(document);
        assert!(
            matches!(error, ParseError::Malformed(_)),
            "{document}: {error:?}"
        );
    }
    assert_eq!(refused("<p:a/>"), ParseError::Namespace);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_markup_makes_the_parser_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("<a>"), Just("</a>"), Just("<a"), Just(" k='"), Just("'"), Just(">"), Just("/>"),
                Just("<!--"), Just("-->"), Just("<![CDATA["), Just("]]>"), Just("&"), Just("#x"),
                Just(";"), Just("<?"), Just("?>"), Just("<!DOCTYPE"), Just("["), Just("é"), Just("x:"),
            ],
            0..60,
        )
    ) {
        let _ = parse(parts.concat().as_bytes());
    }
}
