//! The envelope around a message.

use crate::element::Element;
use crate::parse::{ParseError, parse};
use crate::{Fault, FaultCode, NAMESPACE, write};

/// The actor that means whoever reads the message next.
const NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// Says why bytes are not a message for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not XML that we read.
    #[error(transparent)]
    Xml(#[from] ParseError),
    /// The root is an envelope of another version of SOAP.
    #[error("the envelope is not one of SOAP 1.1")]
    Version,
    /// A header that must be understood is not: no headers are.
    #[error("the header {0} must be understood, and is not")]
    MustUnderstand(String),
    /// The parts of the envelope are not an optional header and a body.
    #[error("the message is not an envelope with an optional header and a body")]
    Structure,
    /// The body does not hold exactly one element.
    #[error("the body must hold exactly one element")]
    Body,
}

impl EnvelopeError {
    /// The fault to answer with.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let code = match self {
            Self::Version => FaultCode::VersionMismatch,
            Self::MustUnderstand(_) => FaultCode::MustUnderstand,
            Self::Xml(_) | Self::Structure | Self::Body => FaultCode::Client,
        };
        Fault::new(code, self.to_string())
    }
}

/// Puts `content` into an envelope.
#[must_use]
pub fn message(content: Element) -> Vec<u8> {
    let body = Element::new(NAMESPACE, "Body").with(content);
    write::document(&Element::new(NAMESPACE, "Envelope").with(body))
}

/// Takes the one element out of a message's body. It may be a fault: see [`Fault::read`].
///
/// # Errors
/// The bytes are not XML that we read, or not an envelope for us.
pub fn open(bytes: &[u8]) -> Result<Element, EnvelopeError> {
    let envelope = parse(bytes)?;
    if envelope.name != "Envelope" {
        return Err(EnvelopeError::Structure);
    }
    if envelope.namespace != NAMESPACE {
        return Err(EnvelopeError::Version);
    }
    let mut parts = envelope.children.into_iter().peekable();
    if let Some(header) = parts.next_if(|part| part.is(NAMESPACE, "Header")) {
        check_header(&header)?;
    }
    let body = parts.next().filter(|part| part.is(NAMESPACE, "Body"));
    let body = body.ok_or(EnvelopeError::Structure)?;
    if parts.next().is_some() {
        return Err(EnvelopeError::Structure);
    }
    let mut content = body.children.into_iter();
    match (content.next(), content.next()) {
        (Some(element), None) => Ok(element),
        _ => Err(EnvelopeError::Body),
    }
}

/// We understand no header, so that one for us that must be understood ends the matter.
fn check_header(header: &Element) -> Result<(), EnvelopeError> {
    let for_us = |block: &&Element| {
        let actor = block.attribute(NAMESPACE, "actor").unwrap_or_default();
        actor.is_empty() || actor == NEXT
    };
    let must = |block: &&Element| {
        let value = block.attribute(NAMESPACE, "mustUnderstand");
        matches!(value, Some("1" | "true"))
    };
    match header.children.iter().filter(for_us).find(must) {
        Some(block) => Err(EnvelopeError::MustUnderstand(block.name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'>";

    fn opened(inside: &str) -> Result<Element, EnvelopeError> {
        open(format!("{OPEN}{inside}</s:Envelope>").as_bytes())
    }

    #[test]
    fn the_element_in_the_body_is_taken_out() {
        let element = opened("<s:Header><x/></s:Header><s:Body>\n<a/>\n</s:Body>").unwrap();
        assert!(element.is("", "a"));
    }

    #[test]
    fn a_header_that_must_be_understood_is_refused_unless_it_is_for_another() {
        let header = |attributes: &str| {
            opened(&format!(
                "<s:Header><Pay {attributes}/></s:Header><s:Body><a/></s:Body>"
            ))
        };
        let refusal = Err(EnvelopeError::MustUnderstand("Pay".into()));
        assert_eq!(header("s:mustUnderstand='1'"), refusal);
        assert_eq!(
            header(&format!("s:mustUnderstand='1' s:actor='{NEXT}'")),
            refusal
        );
        assert!(header("s:mustUnderstand='0'").is_ok());
        assert!(header("s:mustUnderstand='1' s:actor='urn:other'").is_ok());
    }

    #[test]
    fn another_version_of_soap_is_told_apart_from_no_envelope() {
        let soap12 = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'/>";
        let error = open(soap12.as_bytes()).unwrap_err();
        assert_eq!(error.fault().code, FaultCode::VersionMismatch);
        assert_eq!(open(b"<html/>"), Err(EnvelopeError::Structure));
    }

    #[test]
    fn other_structures_are_refused() {
        assert_eq!(opened(""), Err(EnvelopeError::Structure));
        assert_eq!(opened("<Body/>"), Err(EnvelopeError::Structure));
        assert_eq!(
            opened("<s:Body><a/></s:Body><s:Body/>"),
            Err(EnvelopeError::Structure)
        );
        assert_eq!(opened("<s:Body/>"), Err(EnvelopeError::Body));
        assert_eq!(
            opened("<s:Body><a/><b/></s:Body>"),
            Err(EnvelopeError::Body)
        );
    }
}
