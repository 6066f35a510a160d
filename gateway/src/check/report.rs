//! The findings of a check, for people and for programs.

use std::fmt;

use route_table::lint::{Finding, Lint};
use route_table::{Table, TableError};
use serde::Serialize;

use crate::control::TableFiles;

/// All that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The table's first file.
    file: String,
    /// Whether a gateway would serve the table.
    ok: bool,
    routes: usize,
    upstreams: usize,
    migrations: usize,
    findings: Vec<Said>,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It loads, and is probably not meant.
    Warning,
    /// It does not load, or lets somebody in.
    Error,
}

/// One finding, with the line that it points at.
#[derive(Debug, Serialize)]
struct Said {
    severity: Severity,
    /// The lint's name, or `invalid`.
    code: &'static str,
    file: String,
    line: u32,
    column: u32,
    message: String,
    mend: String,
    source_line: String,
    #[serde(skip)]
    shown: TableError,
}

impl Report {
    pub(crate) fn new(file: String) -> Self {
        Self {
            file,
            ok: true,
            ..Self::default()
        }
    }

    /// Notes how large the table is.
    pub(crate) fn count(&mut self, table: &Table) {
        self.routes = table.routes.len();
        self.upstreams = table.upstreams.len();
        self.migrations = table.migrations.len();
    }

    /// Notes a mistake: the table does not load.
    pub(crate) fn invalid(&mut self, error: TableError) {
        self.ok = false;
        self.findings
            .push(Said::new(Severity::Error, "invalid", error));
    }

    /// Notes a finding.
    pub(crate) fn found(&mut self, finding: Finding, files: &TableFiles) {
        let severity = match finding.lint {
            Lint::AuthLost => Severity::Error,
            _ => Severity::Warning,
        };
        let error = TableError {
            source_line: files.line(&finding.position),
            position: finding.position,
            message: finding.message,
            mend: finding.mend,
        };
        self.findings
            .push(Said::new(severity, finding.lint.code(), error));
    }

    /// The weightiest finding.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|said| said.severity).max()
    }

    /// One line: what the table is, and how much was found.
    pub(crate) fn summary(&self) -> String {
        let count = |severity| {
            let found = self
                .findings
                .iter()
                .filter(|said| said.severity == severity);
            found.count()
        };
        let many = |count: usize, what: &str| match count {
            0 => String::new(),
            1 => format!(", 1 {what}"),
            _ => format!(", {count} {what}s"),
        };
        let found =
            many(count(Severity::Error), "error") + &many(count(Severity::Warning), "warning");
        if self.ok {
            let Self {
                file,
                routes,
                upstreams,
                migrations,
                ..
            } = self;
            format!(
                "{file}: ok, {routes} routes, {upstreams} upstreams, {migrations} migrations{found}"
            )
        } else {
            format!("{}: refused{found}", self.file)
        }
    }
}

impl Said {
    fn new(severity: Severity, code: &'static str, error: TableError) -> Self {
        let mut shown = error.clone();
        shown.message = match (severity, code) {
            (Severity::Error, "invalid") => error.message.clone(),
            (Severity::Error, code) => format!("error[{code}]: {}", error.message),
            (Severity::Warning, code) => format!("warning[{code}]: {}", error.message),
        };
        Self {
            severity,
            code,
            file: error.position.file.to_string(),
            line: error.position.line,
            column: error.position.column,
            message: error.message,
            mend: error.mend,
            source_line: error.source_line,
            shown,
        }
    }
}

/// All findings, as an editor's terminal shows them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, said) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            writeln!(f, "{}", said.shown)?;
        }
        Ok(())
    }
}
