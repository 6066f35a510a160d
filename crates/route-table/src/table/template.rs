//! Addresses with places for what a route's path has caught.

use std::sync::Arc;

use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::matcher::Params;

/// What would end a value in a query, or turn into something else (WHATWG URL, urlencoded parsing).
const IN_QUERY: &AsciiSet = &CONTROLS.add(b'&').add(b'+').add(b'=').add(b'#');

/// An address such as `/v2/{rest}`, where `{rest}` stands for what the path's `{*rest}` has caught.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    /// As written.
    pub text: Arc<str>,
    pub(crate) pieces: Box<[Piece]>,
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    Text(Box<str>),
    /// In the path.
    Param(Box<str>),
    /// Behind the `?`.
    InQuery(Box<str>),
}

impl Template {
    /// The address with what was caught. Where nothing was, no two slashes are left side by side: browsers
    /// would read a host behind them.
    #[must_use]
    pub fn fill(&self, params: &Params<'_, '_>) -> String {
        let mut filled = String::with_capacity(self.text.len() + 32);
        let mut in_path = false;
        for piece in &self.pieces {
            let (text, caught) = match piece {
                Piece::Text(text) => (&**text, None),
                Piece::Param(name) => (params.get(name).unwrap_or_default(), None),
                Piece::InQuery(name) => ("", params.get(name)),
            };
            let doubled = in_path && filled.ends_with('/') && text.starts_with('/');
            filled.push_str(if doubled {
                text.trim_start_matches('/')
            } else {
                text
            });
            filled.extend(utf8_percent_encode(caught.unwrap_or_default(), IN_QUERY));
            // A scheme's slashes are in the first text, whole.
            in_path = true;
        }
        filled
    }
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308; default 307: for now, and with the same method.
    pub status: StatusCode,
    /// A path of the same host, or an `http` or `https` URL.
    pub to: Template,
}

impl Redirect {
    /// Where it sends a client. Its query goes along, unless the address has one of its own.
    #[must_use]
    pub fn location(&self, params: &Params<'_, '_>, query: Option<&str>) -> String {
        let mut location = self.to.fill(params);
        if let Some(query) = query.filter(|_| !location.contains('?')) {
            location.push('?');
            location.push_str(query);
        }
        location
    }
}
