//! What is allowed, and seldom meant.
//!
//! A table that loads can still hold a name that nobody uses ([`unused`]), a row that never serves
//! ([`unreachable`]), a timeout that ends before what it waits for ([`timeouts`]), retries upon retries
//! ([`retries`]), or a dependency whose outage nobody has thought of ([`outage`]). Each finding has a code
//! that does not change, a place and a mend. [`sample`] makes the requests that a row is there for.

mod calls;
mod outage;
mod retries;
mod sample;
mod timeouts;
mod unreachable;
mod unused;

use crate::table::{Position, Table};

pub use sample::{Sample, Sampler};

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lint {
    /// A name that is defined, and that no row uses.
    UnusedName,
    /// A row all of whose requests other rows take.
    UnreachableRoute,
    /// A timeout that ends before another one inside it.
    NestedTimeouts,
    /// Retries on the way that multiply each other.
    RetryAmplification,
    /// Upstreams that call each other in a circle.
    CallLoop,
    /// A dependency without a word on its outage.
    MissingOutagePolicy,
    /// An `include` that finds no file.
    EmptyInclude,
    /// Requests that needed authentication in the table before, and no longer do.
    AuthLost,
}

impl Lint {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::UnusedName,
        Self::UnreachableRoute,
        Self::NestedTimeouts,
        Self::RetryAmplification,
        Self::CallLoop,
        Self::MissingOutagePolicy,
        Self::EmptyInclude,
        Self::AuthLost,
    ];

    /// Its name, for people, programs and `--allow`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnusedName => "unused-name",
            Self::UnreachableRoute => "unreachable-route",
            Self::NestedTimeouts => "nested-timeouts",
            Self::RetryAmplification => "retry-amplification",
            Self::CallLoop => "call-loop",
            Self::MissingOutagePolicy => "missing-outage-policy",
            Self::EmptyInclude => "empty-include",
            Self::AuthLost => "auth-lost",
        }
    }
}

/// Something that is allowed, and probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub lint: Lint,
    pub position: Position,
    pub message: String,
    /// What to write instead.
    pub mend: String,
}

/// Looks through a table. Findings are in the order of the files.
#[must_use]
pub fn lint(table: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    unused::check(table, &mut findings);
    unreachable::check(table, &mut findings);
    let calls = calls::Calls::of(table);
    timeouts::check(table, &calls, &mut findings);
    retries::check(table, &calls, &mut findings);
    outage::check(table, &mut findings);
    findings.sort_by(|one, other| (&one.position, one.lint).cmp(&(&other.position, other.lint)));
    findings
}

/// Some names of many, for a message.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
