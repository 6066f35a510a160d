//! SOAP 1.1: envelopes, faults, and XML that cannot hurt its reader.
//!
//! Both sides of a SOAP call need the same things: read a message that a stranger wrote, find the
//! one element in its body, or the fault, and write a message. What the elements *mean* is not
//! known here.
//!
//! A message passes [`parse`] (bytes to a tree of [`Element`]s, within limits), then [`open`]
//! (envelope off). [`message`] and [`Fault::to_element`] are the way back.
//!
//! ```
//! use soap::Element;
//!
//! let call = Element::new("urn:weather", "GetForecast").with_field("Town", "Bergen");
//! let received = soap::open(&soap::message(call.clone()))?;
//! assert_eq!(received, call);
//! assert_eq!(received.required::<String>("Town")?, "Bergen");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is refused
//! SOAP 1.1 forbids document types and processing instructions; without a document type there is no
//! entity but the five that XML defines, so that neither "billion laughs" nor external entities can
//! occur. Bytes, depth, elements and attributes have limits (see [`parse`]). Only UTF-8 is read.

mod element;
mod parse;
mod write;
mod envelope;
mod fault;
pub mod decimal;

pub use element::{Element, FieldError};
pub use envelope::{EnvelopeError, message, open};
pub use fault::{Fault, FaultCode};
pub use parse::{
    ATTRIBUTES_MAX, DEPTH_MAX, DOCUMENT_BYTES_MAX, ELEMENTS_MAX, NAMESPACE_BYTES_MAX, ParseError,
    parse,
};

/// The namespace of SOAP 1.1's own elements.
pub const NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The media type of a SOAP 1.1 message, as we write it.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
