//! The decision for one request: token from the header, verified, with the scopes that the route asks for.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use route_table::table::RouteAuth;

use super::authenticator::Authenticator;
use super::refused::{AuthRefused, Reason};
use super::token::VerifiedToken;

/// Lets a request pass, with its verified token or, where the route allows it, without one.
///
/// Waits only for keys that nobody has seen yet.
///
/// # Errors
/// Why the request must not pass; it is counted in the metrics already.
pub(crate) async fn authorize(
    auth: &RouteAuth,
    authenticator: &Authenticator,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<Option<Arc<VerifiedToken>>, AuthRefused> {
    let refuse = |reason| authenticator.refuse(reason);
    let Some(token) = bearer_token(headers).map_err(refuse)? else {
        return if auth.optional {
            Ok(None)
        } else {
            Err(refuse(Reason::Missing))
        };
    };
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since_1970| since_1970.as_secs());
    let verified = authenticator
        .verify_or_refetch(token, now)
        .await
        .map_err(refuse)?;
    if verified.missing_scope(&auth.scopes).is_some() {
        return Err(AuthRefused {
            scopes: auth.scopes.clone(),
            ..refuse(Reason::Scope)
        });
    }
    Ok(Some(verified))
}

/// Finds the token of `Authorization: Bearer` (RFC 6750 §2.1; the scheme knows no case). Another scheme
/// is no token of ours; two fields are refused, because the upstream might believe the other one.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Reason> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Reason::SeveralTokens);
    }
    let Ok(text) = field.to_str() else {
        return Err(Reason::Malformed);
    };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim_matches(' ');
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token) {
        return Err(Reason::Malformed);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use route_table::table::ProviderId;

    use super::*;
    use crate::auth::test_issuer::{Issuer, KeyKind, NOW, authenticator_of};

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn assert_token(values: &[&str], expected: Result<Option<&str>, Reason>) {
        assert_eq!(bearer_token(&headers(values)), expected, "{values:?}");
    }

    #[test]
    fn the_token_is_what_follows_the_scheme() {
        assert_token(&[], Ok(None));
        assert_token(&["Bearer a.b.c"], Ok(Some("a.b.c")));
        assert_token(&["bEARER  a.b.c "], Ok(Some("a.b.c")));
        assert_token(&["Basic dTpw"], Ok(None));
        assert_token(&["Bearer"], Err(Reason::Malformed));
        assert_token(&["Bearer "], Err(Reason::Malformed));
        assert_token(&["Bearer a b"], Err(Reason::Malformed));
        assert_token(&["Bearer a, Bearer b"], Err(Reason::Malformed));
        assert_token(
            &["Bearer a.b.c", "Bearer a.b.c"],
            Err(Reason::SeveralTokens),
        );
        assert_token(&["Basic dTpw", "Bearer a.b.c"], Err(Reason::SeveralTokens));
    }

    async fn decide(optional: bool, scopes: &[&str], values: &[&str]) -> Result<bool, Reason> {
        let issuer = Issuer::new(KeyKind::P256, "a");
        let authenticator = authenticator_of(&issuer);
        let token = format!("Bearer {}", issuer.token());
        let values: Vec<&str> = values
            .iter()
            .map(|value| if *value == "good" { &token } else { *value })
            .collect();
        let auth = RouteAuth {
            provider: ProviderId(0),
            scopes: scopes.iter().map(|scope| Arc::from(*scope)).collect(),
            optional,
        };
        authorize(
            &auth,
            &authenticator,
            &headers(&values),
            UNIX_EPOCH + Duration::from_secs(NOW),
        )
        .await
        .map(|token| token.is_some())
        .map_err(|refused| refused.reason)
    }

    #[tokio::test]
    async fn a_good_token_with_all_scopes_passes() {
        assert_eq!(decide(false, &[], &["good"]).await, Ok(true));
        assert_eq!(decide(false, &["orders:read"], &["good"]).await, Ok(true));
        assert_eq!(
            decide(false, &["orders:read", "orders:write"], &["good"]).await,
            Ok(true)
        );
        assert_eq!(
            decide(false, &["orders:read", "orders:admin"], &["good"]).await,
            Err(Reason::Scope)
        );
    }

    #[tokio::test]
    async fn optional_means_without_a_token_not_with_a_bad_one() {
        assert_eq!(decide(false, &[], &[]).await, Err(Reason::Missing));
        assert_eq!(decide(true, &[], &[]).await, Ok(false));
        assert_eq!(decide(true, &[], &["good"]).await, Ok(true));
        assert_eq!(
            decide(true, &[], &["Bearer x.y.z"]).await,
            Err(Reason::Malformed)
        );
        assert_eq!(
            decide(true, &["orders:admin"], &["good"]).await,
            Err(Reason::Scope)
        );
    }
}
