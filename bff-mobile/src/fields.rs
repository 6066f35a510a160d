//! `fields=`: only the parts that an app asks for.

use serde::Deserialize;

/// The query of a screen.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Sparse {
    /// Names of parts, separated by commas; absent: all.
    #[serde(default)]
    fields: String,
}

impl Sparse {
    /// The names that were asked for; empty: all.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.fields
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Whether a part is wanted at all.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let names = self.names();
        names.is_empty() || names.contains(&name)
    }
}
