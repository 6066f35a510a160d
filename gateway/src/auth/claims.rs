//! What is asked of claims: roles, and values.

use route_table::table::ClaimCondition;
use serde_json::{Map, Value};

/// Finds a claim: the one called just so (names may have dots, as in `https://shop.test/roles`), else by
/// the dots into objects, as in `realm_access.roles`.
pub(crate) fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(claim) = claims.get(path) {
        return Some(claim);
    }
    let (outer, inner) = path.split_once('.')?;
    find(claims.get(outer)?.as_object()?, inner)
}

/// Whether the claim is one of the values, or a list that has one of them.
pub(super) fn holds(claims: &Map<String, Value>, condition: &ClaimCondition) -> bool {
    find(claims, &condition.claim).is_some_and(|claim| has_one_of(claim, &condition.values))
}

/// Whether a claim is one of `wanted`, or a list that has one of them.
pub(super) fn has_one_of<T: AsRef<str>>(claim: &Value, wanted: &[T]) -> bool {
    let is_wanted = |claim: &Value| wanted.iter().any(|wanted| is(claim, wanted.as_ref()));
    match claim {
        Value::Array(items) => items.iter().any(is_wanted),
        one => is_wanted(one),
    }
}

/// Texts as they are; numbers and booleans as JSON writes them; objects and lists are nothing.
fn is(claim: &Value, text: &str) -> bool {
    match claim {
        Value::String(claim) => claim == text,
        Value::Bool(yes) => text == if *yes { "true" } else { "false" },
        Value::Number(number) => number.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn assert_holds(claim: &str, values: &[&str], expected: bool) {
        let claims = json!({
            "tier": "gold",
            "level": 3,
            "verified": true,
            "groups": ["sales", "support"],
            "realm": { "roles": ["admin"] },
            "a.b": "dotted",
            "a": { "b": "nested" },
            "nothing": null,
        });
        let condition = ClaimCondition {
            claim: claim.into(),
            values: values.iter().map(|value| Arc::from(*value)).collect(),
        };
        let holds = holds(claims.as_object().unwrap(), &condition);
        assert_eq!(holds, expected, "{claim} {values:?}");
    }

    #[test]
    fn a_claim_is_one_of_the_values_or_has_one_of_them() {
        assert_holds("tier", &["silver", "gold"], true);
        assert_holds("tier", &["Gold"], false);
        assert_holds("groups", &["support"], true);
        assert_holds("groups", &["sup"], false);
        assert_holds("level", &["3"], true);
        assert_holds("verified", &["true"], true);
        assert_holds("verified", &["false"], false);
        assert_holds("nothing", &["null"], false);
        assert_holds("missing", &[""], false);
        assert_holds("realm", &["admin"], false);
    }

    #[test]
    fn dots_lead_into_objects_unless_a_claim_is_called_so() {
        assert_holds("realm.roles", &["admin"], true);
        assert_holds("a.b", &["dotted"], true);
        assert_holds("a.b", &["nested"], false);
        assert_holds("tier.gold", &["gold"], false);
    }
}
