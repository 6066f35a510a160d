//! Grants: what a code or a refresh token stands for, and when it is still good.

use crate::clock::UnixSeconds;
use crate::domain::error::OAuthError;
use crate::domain::pkce::Challenge;
use crate::domain::scope::Scopes;

/// How long a code is good, in seconds: it is redeemed at once or never.
pub(crate) const CODE_LIFETIME_S: i64 = 60;
/// How long an access token is good, in seconds. It cannot be called back, so this is short.
pub(crate) const ACCESS_TOKEN_LIFETIME_S: i64 = 15 * 60;
/// How long a refresh token is good unless it is used, in seconds.
pub(crate) const REFRESH_IDLE_S: i64 = 24 * 60 * 60;
/// How long refreshing can go on at all, in seconds; then the person signs in again.
pub(crate) const REFRESH_TOTAL_S: i64 = 14 * 24 * 60 * 60;
/// How long a browser stays signed in here, in seconds.
pub(crate) const SESSION_LIFETIME_S: i64 = 8 * 60 * 60;

/// A person's sign-in and what it is used for: all that a token is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonGrant {
    pub(crate) client_id: String,
    pub(crate) sub: String,
    /// The session at this provider.
    pub(crate) sid: String,
    pub(crate) auth_time: UnixSeconds,
    pub(crate) scope: Scopes,
    /// Of the authorization request; goes into its first ID token only.
    pub(crate) nonce: Option<String>,
}

/// A code as it was issued.
#[derive(Debug, Clone)]
pub(crate) struct IssuedCode {
    pub(crate) grant: PersonGrant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Challenge,
    pub(crate) expires_at: UnixSeconds,
}

/// What a client presents to redeem a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redemption<'a> {
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
}

impl IssuedCode {
    /// Whether the client that the code was issued to may redeem it with this.
    pub(crate) fn check(
        &self,
        redemption: Redemption<'_>,
        now: UnixSeconds,
    ) -> Result<(), OAuthError> {
        if now >= self.expires_at {
            return Err(OAuthError::invalid_grant("the code has expired"));
        }
        if redemption.redirect_uri != Some(self.redirect_uri.as_str()) {
            return Err(OAuthError::invalid_grant(
                "redirect_uri differs from that of the authorization request",
            ));
        }
        if !redemption
            .verifier
            .is_some_and(|verifier| self.challenge.matches(verifier))
        {
            return Err(OAuthError::invalid_grant(
                "code_verifier does not belong to the code_challenge",
            ));
        }
        Ok(())
    }
}

/// All refresh tokens that descend from one sign-in.
#[derive(Debug, Clone)]
pub(crate) struct RefreshFamily {
    pub(crate) grant: PersonGrant,
    pub(crate) idle_until: UnixSeconds,
    pub(crate) ends_at: UnixSeconds,
    pub(crate) revoked: bool,
}

impl RefreshFamily {
    /// Whether the family is still good, for this client.
    pub(crate) fn check(&self, client_id: &str, now: UnixSeconds) -> Result<(), OAuthError> {
        if self.grant.client_id != client_id {
            return Err(OAuthError::invalid_grant(
                "the refresh token is another client's",
            ));
        }
        if self.revoked {
            return Err(OAuthError::invalid_grant(
                "the refresh token has been revoked",
            ));
        }
        if now >= self.idle_until.min(self.ends_at) {
            return Err(OAuthError::invalid_grant("the refresh token has expired"));
        }
        Ok(())
    }

    /// The scopes of the next access token: those asked for, never more than were granted.
    pub(crate) fn narrowed_scope(&self, requested: Option<&str>) -> Result<Scopes, OAuthError> {
        let Some(requested) = requested else {
            return Ok(self.grant.scope.clone());
        };
        let scope = Scopes::parse(requested);
        if scope.is_empty() || !scope.is_subset(&self.grant.scope) {
            return Err(OAuthError::invalid_scope(
                "scope goes beyond what was granted",
            ));
        }
        Ok(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn grant() -> PersonGrant {
        PersonGrant {
            client_id: "web".to_owned(),
            sub: "1".to_owned(),
            sid: "s".to_owned(),
            auth_time: 0,
            scope: Scopes::parse("openid orders:read"),
            nonce: None,
        }
    }

    #[track_caller]
    fn redeem(redirect_uri: Option<&str>, verifier: Option<&str>, now: i64) -> Result<(), String> {
        let code = IssuedCode {
            grant: grant(),
            redirect_uri: "https://a.example/cb".to_owned(),
            challenge: Challenge::of(VERIFIER),
            expires_at: 60,
        };
        code.check(
            Redemption {
                redirect_uri,
                verifier,
            },
            now,
        )
        .map_err(|e| e.description.into())
    }

    #[test]
    fn a_code_is_good_for_its_redirect_uri_its_verifier_and_its_minute() {
        let uri = Some("https://a.example/cb");
        assert_eq!(redeem(uri, Some(VERIFIER), 59), Ok(()));
        assert!(
            redeem(uri, Some(VERIFIER), 60)
                .unwrap_err()
                .contains("expired")
        );
        assert!(redeem(uri, None, 0).unwrap_err().contains("code_verifier"));
        assert!(
            redeem(uri, Some(&VERIFIER.repeat(2)), 0)
                .unwrap_err()
                .contains("code_verifier")
        );
        assert!(
            redeem(None, Some(VERIFIER), 0)
                .unwrap_err()
                .contains("redirect_uri")
        );
        let other = Some("https://a.example/cb/");
        assert!(
            redeem(other, Some(VERIFIER), 0)
                .unwrap_err()
                .contains("redirect_uri")
        );
    }

    #[test]
    fn a_refresh_family_ends_when_idle_when_old_when_revoked_and_for_others() {
        let family = RefreshFamily {
            grant: grant(),
            idle_until: 50,
            ends_at: 100,
            revoked: false,
        };
        assert_eq!(family.check("web", 49), Ok(()));
        assert!(family.check("web", 50).is_err());
        assert!(family.check("other", 0).is_err());
        assert!(
            RefreshFamily {
                idle_until: 500,
                ..family.clone()
            }
            .check("web", 100)
            .is_err()
        );
        assert!(
            RefreshFamily {
                revoked: true,
                ..family
            }
            .check("web", 0)
            .is_err()
        );
    }

    #[test]
    fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
        let family = RefreshFamily {
            grant: grant(),
            idle_until: 1,
            ends_at: 1,
            revoked: false,
        };
        let scope = |text| family.narrowed_scope(text).map(|scope| scope.to_string());
        assert_eq!(scope(None).unwrap(), "openid orders:read");
        assert_eq!(scope(Some("orders:read")).unwrap(), "orders:read");
        assert_eq!(
            scope(Some("orders:write")).unwrap_err().code,
            "invalid_scope"
        );
        assert_eq!(scope(Some("nonsense")).unwrap_err().code, "invalid_scope");
    }
}
