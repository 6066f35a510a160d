//! Faults: how SOAP says no.

use std::fmt;

use crate::NAMESPACE;
use crate::element::{Element, FieldError};
use crate::write::PREFIX;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The envelope is of another version of SOAP.
    VersionMismatch,
    /// A header was to be understood and was not.
    MustUnderstand,
    /// The message is wrong; sending it again will not help.
    Client,
    /// The message could not be processed; it may be later.
    Server,
}

/// A fault, sent or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whose fault it is.
    pub code: FaultCode,
    /// What is wrong, for people.
    pub reason: String,
    /// What is wrong, for programs, in the application's own elements.
    pub detail: Vec<Element>,
}

impl FaultCode {
    fn as_str(self) -> &'static str {
        match self {
            Self::VersionMismatch => "VersionMismatch",
            Self::MustUnderstand => "MustUnderstand",
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }

    /// Reads `soap:Client`, and `soap:Client.Authentication` too: a dot makes a code finer.
    fn parse(text: &str) -> Option<Self> {
        let name = text.trim_ascii();
        let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
        let name = name.split_once('.').map_or(name, |(name, _)| name);
        [
            Self::VersionMismatch,
            Self::MustUnderstand,
            Self::Client,
            Self::Server,
        ]
        .into_iter()
        .find(|code| code.as_str() == name)
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fault {
    /// A fault without detail.
    pub fn new(code: FaultCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            detail: Vec::new(),
        }
    }

    /// Adds an element of the application's own. SOAP 1.1 has detail only where the *body* was
    /// processed.
    #[must_use]
    pub fn with_detail(mut self, detail: Element) -> Self {
        self.detail.push(detail);
        self
    }

    /// The element for the body of a message.
    #[must_use]
    pub fn to_element(&self) -> Element {
        // The parts of a fault have no namespace: SOAP 1.1 wants it so.
        let part = |name: &str, text: &str| {
            let mut part = Element::new("", name);
            text.clone_into(&mut part.text);
            part
        };
        let mut fault = Element::new(NAMESPACE, "Fault")
            .with(part("faultcode", &format!("{PREFIX}:{}", self.code)))
            .with(part("faultstring", &self.reason));
        if !self.detail.is_empty() {
            let detail = part("detail", "").with_all(self.detail.iter().cloned());
            fault = fault.with(detail);
        }
        fault
    }

    /// Reads the element of a message's body; `None` if it is not a fault.
    ///
    /// # Errors
    /// It is a fault without a code that SOAP 1.1 knows, or with a part twice.
    pub fn read(element: &Element) -> Result<Option<Self>, FieldError> {
        if !element.is(NAMESPACE, "Fault") {
            return Ok(None);
        }
        let part = |name: &str| {
            element
                .children
                .iter()
                .find(|child| child.name == name && child.namespace.is_empty())
        };
        let code = part("faultcode").ok_or_else(|| FieldError::Missing {
            record: "Fault".to_owned(),
            field: "faultcode".to_owned(),
        })?;
        let code = FaultCode::parse(&code.text).ok_or_else(|| FieldError::Invalid {
            record: "Fault".to_owned(),
            field: "faultcode".to_owned(),
            expected: "a code of SOAP 1.1",
        })?;
        Ok(Some(Self {
            code,
            reason: part("faultstring").map_or_else(String::new, |part| part.text.clone()),
            detail: part("detail").map_or_else(Vec::new, |part| part.children.clone()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_back_as_it_was() {
        let detail = Element::new("urn:shop", "ShopFault").with_field("Code", "Stale");
        let fault = Fault::new(FaultCode::Client, "changed & gone").with_detail(detail);
        let message = crate::message(fault.to_element());
        assert!(
            String::from_utf8_lossy(&message).contains("<faultcode>soap:Client</faultcode>"),
            "the code is a qualified name, the part has no namespace"
        );
        let read = Fault::read(&crate::open(&message).unwrap());
        assert_eq!(read, Ok(Some(fault)));
    }

    #[test]
    fn a_finer_code_counts_as_the_coarse_one() {
        assert_eq!(
            FaultCode::parse(" env:Client.Auth "),
            Some(FaultCode::Client)
        );
        assert_eq!(FaultCode::parse("Sender"), None);
    }

    #[test]
    fn what_is_no_fault_is_none_and_a_fault_without_a_code_is_an_error() {
        assert_eq!(Fault::read(&Element::new("urn:a", "Fault")), Ok(None));
        let fault = Element::new(NAMESPACE, "Fault");
        assert_eq!(
            Fault::read(&fault).unwrap_err().to_string(),
            "Fault has no faultcode"
        );
    }
}
