//! From bytes to a tree, within limits.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use crate::element::{Attribute, Element};

/// The largest document that is read, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// How deep elements may nest.
pub const DEPTH_MAX: usize = 32;
/// The most elements of a document.
pub const ELEMENTS_MAX: usize = 20_000;
/// The most attributes of an element, namespace declarations among them.
pub const ATTRIBUTES_MAX: usize = 32;
/// The longest namespace URI, in bytes: every element keeps a copy.
pub const NAMESPACE_BYTES_MAX: usize = 256;

/// Says why bytes are not a document that we read. No message repeats what the document holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error("the document is larger than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8, whatever it may say of itself.
    #[error("the document is not in UTF-8")]
    NotUtf8,
    /// The XML declaration names another encoding or another version of XML than 1.0.
    #[error("only XML 1.0 in UTF-8 is read")]
    Declaration,
    /// `<!DOCTYPE …>`.
    #[error("a document type is not allowed")]
    DocumentType,
    /// `<?…?>`.
    #[error("processing instructions are not allowed")]
    ProcessingInstruction,
    /// An entity other than the five that XML defines.
    #[error("an entity is used that XML does not define")]
    Entity,
    /// Elements nest deeper than [`DEPTH_MAX`].
    #[error("elements nest deeper than {DEPTH_MAX}")]
    TooDeep,
    /// More than [`ELEMENTS_MAX`].
    #[error("the document has more than {ELEMENTS_MAX} elements")]
    TooManyElements,
    /// More than [`ATTRIBUTES_MAX`].
    #[error("an element has more than {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// A namespace that is too long, or a prefix that is bound to none.
    #[error("a namespace is too long, or a prefix is bound to none")]
    Namespace,
    /// The document ends inside an element, or before there is one.
    #[error("the document is cut off")]
    Truncated,
    /// Not well-formed.
    #[error("the document is not well-formed XML, near byte {0}")]
    Malformed(u64),
}

/// Reads a document.
///
/// Refuses more than [`DOCUMENT_BYTES_MAX`], [`DEPTH_MAX`], [`ELEMENTS_MAX`], [`ATTRIBUTES_MAX`] and
/// [`NAMESPACE_BYTES_MAX`], document types, processing instructions, entities, and any encoding but
/// UTF-8. Comments are skipped.
///
/// # Errors
/// The document is not well-formed, or one of the above.
pub fn parse(bytes: &[u8]) -> Result<Element, ParseError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(ParseError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') {
        // UTF-16 without a byte order mark passes for UTF-8 as long as it is ASCII.
        return Err(ParseError::NotUtf8);
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        return Err(ParseError::Malformed(at as u64));
    }
    Reading::of(text).run()
}

/// `Char` of XML 1.0.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A document that is half read.
struct Reading<'t> {
    reader: NsReader<&'t [u8]>,
    /// Elements that are not closed yet, the root first.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    /// An XML declaration may only be the very first thing.
    at_start: bool,
}

impl<'t> Reading<'t> {
    fn of(text: &'t str) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        Self {
            reader,
            open: Vec::new(),
            root: None,
            elements: 0,
            at_start: true,
        }
    }

    fn run(mut self) -> Result<Element, ParseError> {
        loop {
            let event = self.reader.read_event();
            let event = event.map_err(|error| self.broken(&error))?;
            let at_start = std::mem::replace(&mut self.at_start, false);
            match event {
                Event::Start(tag) => self.start(&tag)?,
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(data) if self.open.is_empty() => {
                    drop(data);
                    return Err(self.malformed());
                }
                Event::CData(data) => self.append(&data.xml10_content()),
                Event::GeneralRef(reference) => self.reference(&reference)?,
                Event::Decl(declaration) if at_start => check(&declaration)?,
                Event::Decl(_) => return Err(self.malformed()),
                Event::Comment(_) => {}
                Event::PI(_) => return Err(ParseError::ProcessingInstruction),
                Event::DocType(_) => return Err(ParseError::DocumentType),
                // Of an empty tag the reader makes a start and an end.
                Event::Empty(_) => return Err(self.malformed()),
                Event::Eof => break,
            }
        }
        if !self.open.is_empty() {
            return Err(ParseError::Truncated);
        }
        self.root.ok_or(ParseError::Truncated)
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), ParseError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(ParseError::TooManyElements);
        }
        let (namespace, local) = self.reader.resolver().resolve_element(tag.name());
        let namespace = uri(namespace)?;
        if !is_name(local.as_ref()) {
            return Err(self.malformed());
        }
        let mut element = Element::new(namespace, local.as_ref());
        element.attributes = self.attributes(tag)?;
        self.open.push(element);
        Ok(())
    }

    fn attributes(&self, tag: &BytesStart<'_>) -> Result<Vec<Attribute>, ParseError> {
        let mut found = Vec::new();
        // Looking for a repeated name takes quadratic time: the limit comes first.
        for (index, attribute) in tag.attributes().enumerate() {
            if index >= ATTRIBUTES_MAX {
                return Err(ParseError::TooManyAttributes);
            }
            let attribute = attribute.map_err(|_| self.malformed())?;
            if attribute.value.contains('<') {
                return Err(self.malformed());
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|_| ParseError::Entity)?;
            let (namespace, name) = self.reader.resolver().resolve_attribute(attribute.key);
            let name = name.as_ref();
            if !is_name(name) || !value.chars().all(is_xml_char) {
                return Err(self.malformed());
            }
            found.push(Attribute {
                namespace: uri(namespace)?.to_owned(),
                name: name.to_owned(),
                value: value.into_owned(),
            });
        }
        Ok(found)
    }

    fn end(&mut self) {
        // The reader has matched the names, so that something is open here.
        let Some(mut closed) = self.open.pop() else {
            return;
        };
        if !closed.children.is_empty() && closed.text.trim_ascii().is_empty() {
            // What stands between the children of a record is layout.
            closed.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), ParseError> {
        if text.contains("]]>") || self.open.is_empty() && !text.trim_ascii().is_empty() {
            return Err(self.malformed());
        }
        self.append(text);
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), ParseError> {
        if self.open.is_empty() {
            return Err(self.malformed());
        }
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_xml_char(c) => self.append(c.encode_utf8(&mut [0; 4])),
            Ok(None) => {
                let text = resolve_xml_entity(reference).ok_or(ParseError::Entity)?;
                self.append(text);
            }
            Ok(Some(_)) | Err(_) => return Err(self.malformed()),
        }
        Ok(())
    }

    fn append(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn broken(&self, error: &quick_xml::Error) -> ParseError {
        match error {
            quick_xml::Error::Namespace(_) => ParseError::Namespace,
            // What is unclosed at the end of the document is cut off.
            quick_xml::Error::Syntax(_) => ParseError::Truncated,
            _ => self.malformed(),
        }
    }

    fn malformed(&self) -> ParseError {
        ParseError::Malformed(self.reader.buffer_position())
    }
}

fn check(declaration: &BytesDecl<'_>) -> Result<(), ParseError> {
    let version = declaration.version();
    let is_first_version = version.is_ok_and(|version| version.as_ref() == "1.0");
    let is_utf8 = match declaration.encoding() {
        None => true,
        Some(Ok(name)) => ["utf-8", "us-ascii"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known)),
        Some(Err(_)) => false,
    };
    if is_first_version && is_utf8 {
        Ok(())
    } else {
        Err(ParseError::Declaration)
    }
}

fn uri(namespace: ResolveResult<'_>) -> Result<&str, ParseError> {
    match namespace {
        ResolveResult::Bound(uri) if uri.0.len() <= NAMESPACE_BYTES_MAX => Ok(uri.0),
        ResolveResult::Unbound => Ok(""),
        ResolveResult::Bound(_) | ResolveResult::Unknown(_) => Err(ParseError::Namespace),
    }
}

/// `NCName`, but for some rare letters that XML forbids and we let pass.
fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_alphanumeric() || "_-.·".contains(c);
    name.starts_with(starts) && name.chars().all(goes_on)
}

#[cfg(test)]
mod tests;
