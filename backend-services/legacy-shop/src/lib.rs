//! The monolith: SOAP, old HTML pages and REST-like URIs on one database.
