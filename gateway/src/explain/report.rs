//! The answer, as programs read it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use route_table::table::Position;
use serde::{Deserialize, Serialize};

use crate::explain::question::Question;
use crate::respond::Failure;

/// One of a closed list.
pub(super) type Word = Cow<'static, str>;

/// What becomes of one request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(super) request: Asked,
    /// Of the running gateway's table; absent when a file was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<u64>,
    /// The failure that ends it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Refused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<Taken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Destination>,
    /// Rows that came into question, in the order in which they are tried.
    pub(super) candidates: Vec<Candidate>,
    /// Further ones that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) omitted: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nearest_miss: Option<String>,
    /// What applies, with where it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<Setting>,
    /// Of a running gateway only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<Chosen>,
}

/// The request as the edge reads it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(super) method: String,
    pub(super) host: String,
    /// In its canonical form.
    pub(super) path: String,
    pub(super) client_ip: String,
}

/// Why it goes nowhere.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(super) status: u16,
    pub(super) code: Word,
    pub(super) detail: String,
}

/// The row that takes it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(super) name: String,
    /// `file:line`.
    pub(super) at: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) params: BTreeMap<String, String>,
}

/// Where it goes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Destination {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upstream_at: Option<String>,
    /// Of a route that is split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) shares: Vec<Share>,
    /// The path that it is asked for, where the route rewrites it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// What its mirror gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mirror: Option<String>,
    /// Of a preflight that the gateway answers: whose page may send which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preflight: Option<String>,
    /// Where a redirect sends the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    /// Of an answer that stands in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
}

/// What an upstream gets of a route's requests.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(super) upstream: String,
    /// In relation to the sum of all.
    pub(super) weight: u32,
}

/// A row that came into question.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(super) route: String,
    pub(super) at: String,
    pub(super) verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// Whether a row takes the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Takes,
    /// It would, but for a better row.
    Later,
    Fails,
}

/// One effective value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(super) key: Word,
    pub(super) value: String,
    pub(super) origin: Origin,
    /// Where the row that says it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

/// Who says a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Default,
    Listener,
    Upstream,
    Route,
}

/// The endpoint that would be asked now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Chosen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chosen: Option<String>,
    pub(super) policy: Word,
    pub(super) panic: bool,
    /// What was left after each step that left fewer.
    pub(super) steps: Vec<Narrowed>,
    pub(super) endpoints: Vec<Standing>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Narrowed {
    pub(super) step: Word,
    pub(super) left: usize,
}

/// One endpoint of the upstream.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(super) endpoint: String,
    pub(super) state: Word,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    pub(super) in_flight: u32,
}

impl Report {
    pub(super) fn new(request: Asked) -> Self {
        Self {
            request,
            generation: None,
            refused: None,
            route: None,
            to: None,
            candidates: Vec::new(),
            omitted: 0,
            nearest_miss: None,
            settings: Vec::new(),
            endpoint: None,
        }
    }

    /// Whether the request would go somewhere.
    pub(crate) fn is_taken(&self) -> bool {
        self.refused.is_none()
    }
}

impl Asked {
    pub(super) fn of(question: &Question) -> Self {
        let request = question.request();
        Self {
            method: request.method().to_string(),
            host: String::new(),
            path: request.uri().path().to_owned(),
            client_ip: question.client.to_string(),
        }
    }
}

impl Refused {
    pub(super) fn of(failure: &Failure) -> Self {
        Self {
            status: failure.status().as_u16(),
            code: failure.code().into(),
            detail: failure.detail(),
        }
    }
}

/// `file:line`.
pub(super) fn place(position: &Position) -> String {
    format!("{}:{}", position.file, position.line)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls it with"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
