//! From a tree to bytes.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::NAMESPACE;
use crate::element::Element;
use crate::parse::is_xml_char;

/// The prefix of SOAP's own elements. It is bound on the envelope, so that the codes of faults,
/// which are qualified names, can use it.
pub(crate) const PREFIX: &str = "soap";

/// The document whose root is `root`.
pub(crate) fn document(root: &Element) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    write(&mut writer, root).expect("writing into memory does not fail");
    writer.into_inner()
}

fn write(writer: &mut Writer<Vec<u8>>, root: &Element) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    write_element(writer, root, None, "")
}

/// Writes an element whose surroundings have bound `default` to no prefix.
fn write_element(
    writer: &mut Writer<Vec<u8>>,
    element: &Element,
    parent: Option<&Element>,
    default: &str,
) -> io::Result<()> {
    let is_soap = element.namespace == NAMESPACE;
    let name = if is_soap {
        Cow::from(format!("{PREFIX}:{}", element.name))
    } else {
        Cow::from(element.name.as_str())
    };
    let mut start = BytesStart::new(name.as_ref());
    if is_soap && parent.is_none() {
        start.push_attribute((format!("xmlns:{PREFIX}").as_str(), NAMESPACE));
    }
    let default = if is_soap || element.namespace == default {
        default
    } else {
        start.push_attribute(("xmlns", element.namespace.as_str()));
        element.namespace.as_str()
    };
    if element.text.is_empty() && element.children.is_empty() {
        return writer.write_event(Event::Empty(start));
    }
    writer.write_event(Event::Start(start))?;
    writer.write_event(Event::Text(BytesText::new(&legal(&element.text))))?;
    for child in &element.children {
        write_element(writer, child, Some(element), default)?;
    }
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// The text without what XML 1.0 cannot hold in any notation.
fn legal(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml_char) {
        Cow::Borrowed(text)
    } else {
        let legal = |c| if is_xml_char(c) { c } else { '\u{fffd}' };
        Cow::Owned(text.chars().map(legal).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_in_text_is_escaped_and_what_xml_cannot_hold_is_replaced() {
        let element = Element::new("urn:a", "A").with_field("B", "</B> & \u{1}");
        let document = String::from_utf8(document(&element)).unwrap();
        assert_eq!(
            document,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <A xmlns=\"urn:a\"><B>&lt;/B&gt; &amp; \u{fffd}</B></A>"
        );
    }

    #[test]
    fn a_namespace_is_declared_where_it_changes() {
        let element = Element::new("urn:a", "A")
            .with(Element::new("", "B"))
            .with(Element::new("urn:c", "C").with(Element::new("urn:a", "D")));
        let read = crate::parse(&document(&element));
        assert_eq!(read, Ok(element));
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "[^\\r\\x00-\\x08\\x0b-\\x1f\\u{fffe}\\u{ffff}]*") {
            let element = Element::new("urn:a", "A").with_field("B", text);
            prop_assert_eq!(crate::parse(&document(&element)), Ok(element));
        }
    }
}
