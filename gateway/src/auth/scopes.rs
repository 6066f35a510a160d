//! The scopes that a token grants.

use serde_json::{Map, Value};

/// A set of scope tokens (RFC 6749 §3.3), sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scopes(Box<[Box<str>]>);

impl Scopes {
    /// Reads `scope` (RFC 9068: one string with spaces; some issuers send a list), or `scp`, as other
    /// issuers call it, when there is no `scope`. A claim of another type grants nothing.
    pub(crate) fn of(claims: &Map<String, Value>) -> Self {
        let mut scopes: Vec<Box<str>> = match claims.get("scope").or_else(|| claims.get("scp")) {
            Some(Value::String(text)) => text.split_ascii_whitespace().map(Box::from).collect(),
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(Value::as_str)
                .map(Box::from)
                .collect(),
            _ => Vec::new(),
        };
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.into())
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.0
            .binary_search_by(|granted| granted.as_ref().cmp(scope))
            .is_ok()
    }

    /// Returns all of them, sorted, with single spaces between.
    pub(crate) fn join(&self) -> String {
        self.0.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn assert_scopes(claims: Value, expected: &str) {
        assert_eq!(Scopes::of(claims.as_object().unwrap()).join(), expected);
    }

    #[test]
    fn scopes_come_as_text_or_list_under_two_names() {
        assert_scopes(json!({"scope": "b  a b"}), "a b");
        assert_scopes(json!({"scope": ["b", "a", 3]}), "a b");
        assert_scopes(json!({"scp": ["a"]}), "a");
        assert_scopes(json!({"scp": "x", "scope": "a"}), "a");
        assert_scopes(json!({"scope": 7}), "");
        assert_scopes(json!({}), "");
    }

    #[test]
    fn a_scope_is_compared_whole() {
        let scopes = Scopes::of(json!({"scope": "orders:read"}).as_object().unwrap());
        assert!(scopes.contains("orders:read"));
        assert!(!scopes.contains("orders"));
        assert!(!scopes.contains("orders:read:all"));
    }
}
