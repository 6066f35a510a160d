//! Scopes: what an access token may be used for.

use std::collections::BTreeSet;
use std::fmt;

pub(crate) const OPENID: &str = "openid";
pub(crate) const PROFILE: &str = "profile";
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Every scope that this provider knows.
pub(crate) const KNOWN: [&str; 7] = [
    OPENID,
    PROFILE,
    OFFLINE_ACCESS,
    "customers:read",
    "customers:write",
    "orders:read",
    "orders:write",
];

/// A set of known scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scopes(BTreeSet<&'static str>);

impl Scopes {
    /// Every known scope.
    pub(crate) fn all() -> Self {
        Self(KNOWN.into_iter().collect())
    }

    /// Reads a space-separated list. Unknown scopes are left out, as OpenID Connect asks; the
    /// answer's `scope` tells the client what it got.
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|word| KNOWN.into_iter().find(|k| *k == word))
                .collect(),
        )
    }

    /// Those of the services, without those that speak of a person's sign-in.
    pub(crate) fn of_services(&self) -> Self {
        Self(
            self.0
                .iter()
                .copied()
                .filter(|scope| scope.contains(':'))
                .collect(),
        )
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_scopes_and_spaces_are_left_out() {
        let scopes = Scopes::parse("openid  email orders:read");
        assert_eq!(scopes.to_string(), "openid orders:read");
    }

    #[test]
    fn the_scopes_of_services_are_those_without_a_person() {
        let scopes = Scopes::all().of_services().to_string();
        assert_eq!(
            scopes,
            "customers:read customers:write orders:read orders:write"
        );
    }
}
