//! `--output`: for people or for programs.

use std::fmt::Display;

use clap::ValueEnum;
use serde::Serialize;

/// For whom an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

impl Output {
    /// An answer as it is printed.
    pub(super) fn of(self, answer: &(impl Display + Serialize)) -> String {
        match self {
            Self::Text => answer.to_string(),
            Self::Json => serde_json::to_string(answer).unwrap_or_default() + "\n",
        }
    }
}
