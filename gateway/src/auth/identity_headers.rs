//! Headers by which upstreams know the caller: stripped from clients, set from verified tokens.
//!
//! **Architecture invariant:** nothing the client sends is trusted as identity. Every header that any
//! provider of the table sets is taken from every request first, on every route, also when the token
//! lacks the claim, in every spelling that a CGI-like server would read as the same name (`_` for `-`).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use route_table::table::Provider;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::scopes::Scopes;
use crate::edge::look_alike::reads_alike;

/// The identity headers of all providers of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdentityHeaders {
    names: Vec<HeaderName>,
}

impl IdentityHeaders {
    pub(crate) fn of(providers: &[Provider]) -> Self {
        let mut names: Vec<HeaderName> = providers
            .iter()
            .flat_map(|provider| &provider.claims_to_headers)
            .map(|(_, header)| header.clone())
            .collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        Self { names }
    }

    /// Removes all of them from a client's request.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let forged: SmallVec<[HeaderName; 4]> = headers
            .keys()
            .filter(|name| {
                self.names
                    .iter()
                    .any(|identity| reads_alike(name.as_str(), identity.as_str()))
            })
            .cloned()
            .collect();
        for name in forged {
            headers.remove(&name);
        }
    }
}

/// Returns the headers that a token's claims give, prepared once for all requests that bring it.
///
/// A claim that is absent, or whose text can't be a header value as it is (controls, characters beyond
/// ASCII, space at an end, which readers would trim into another identity), gives no header.
pub(crate) fn headers_of(
    claims_to_headers: &[(Arc<str>, HeaderName)],
    claims: &Map<String, Value>,
    scopes: &Scopes,
) -> Vec<(HeaderName, HeaderValue)> {
    claims_to_headers
        .iter()
        .filter_map(|(claim, header)| {
            let text = match claim.as_ref() {
                "scope" => scopes.join(),
                claim => text_of(claims.get(claim)?)?,
            };
            let fits = !text.is_empty() && text.is_ascii() && text.trim_ascii() == text;
            let value = fits.then(|| HeaderValue::from_str(&text).ok()).flatten();
            if value.is_none() {
                tracing::debug!(%claim, %header, "claim can not be a header value");
            }
            Some((header.clone(), value?))
        })
        .collect()
}

/// Text, number and boolean as they are, a list of texts with spaces between; objects have no text.
fn text_of(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(" "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::test_provider;

    #[test]
    fn every_spelling_of_an_identity_header_is_stripped() {
        let identity = IdentityHeaders::of(&[test_provider::of_tokens("shop", "", "")]);
        let mut headers = HeaderMap::new();
        for name in [
            "x-user-id",
            "x_user_id",
            "x-user_id",
            "X-User-Scopes",
            "X_USER_SCOPES",
        ] {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_static("root"),
            );
        }
        headers.append("x-user-id", HeaderValue::from_static("again"));
        headers.append("x-user-ids", HeaderValue::from_static("kept"));
        identity.strip(&mut headers);
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert!(headers.contains_key("x-user-ids"));
    }

    #[track_caller]
    fn assert_header(claim: Value, expected: Option<&str>) {
        let map = [("sub".into(), HeaderName::from_static("x-user-id"))];
        let claims = json!({ "sub": claim });
        let claims = claims.as_object().unwrap();
        let headers = headers_of(&map, claims, &Scopes::of(claims));
        let found = headers.first().map(|(_, value)| value.to_str().unwrap());
        assert_eq!(found, expected);
    }

    #[test]
    fn claims_become_headers_only_as_they_are() {
        assert_header(json!("user-42"), Some("user-42"));
        assert_header(json!(42), Some("42"));
        assert_header(json!(true), Some("true"));
        assert_header(json!(["a", "b"]), Some("a b"));
        for dropped in [
            json!("a\r\nx-admin: 1"),
            json!(" 42"),
            json!("42\t"),
            json!(""),
            json!("gr\u{fc}n"),
            json!({"id": 42}),
            json!(["a", 1]),
            Value::Null,
        ] {
            assert_header(dropped, None);
        }
    }

    #[test]
    fn scopes_are_passed_on_in_one_spelling() {
        let map = [("scope".into(), HeaderName::from_static("x-user-scopes"))];
        for claims in [json!({"scp": ["b", "a"]}), json!({"scope": "b a"})] {
            let claims = claims.as_object().unwrap();
            let headers = headers_of(&map, claims, &Scopes::of(claims));
            assert_eq!(headers[0].1, "a b");
        }
    }
}
