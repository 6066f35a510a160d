//! Tokens: access tokens by RFC 9068 and ID tokens by OpenID Connect Core.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::Error as JwtError;
use jsonwebtoken::{Header, TokenData, Validation, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::domain::grant::{ACCESS_TOKEN_LIFETIME_S, PersonGrant};
use crate::domain::scope::{PROFILE, Scopes};
use crate::domain::user::User;
use crate::signing_key::{ALGORITHM, SigningKey};

/// `typ` of an access token, so that nobody mistakes an ID token for one.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// Makes and reads tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    issuer: String,
    audience: String,
    key: SigningKey,
}

/// Says why a token that was presented to us is not good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(transparent)]
    Jwt(#[from] JwtError),
    #[error("the token is of type {0:?}")]
    Type(Option<String>),
    #[error("the token has expired")]
    Expired,
}

/// The claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) iat: UnixSeconds,
    pub(crate) exp: UnixSeconds,
    pub(crate) jti: String,
    /// When the person signed in; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<UnixSeconds>,
}

/// The claims of an ID token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdClaims {
    pub(crate) iss: String,
    /// The client.
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) sid: String,
    pub(crate) iat: UnixSeconds,
    pub(crate) exp: UnixSeconds,
    pub(crate) auth_time: UnixSeconds,
    /// Binds the access token that comes with it.
    pub(crate) at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    #[serde(flatten)]
    pub(crate) profile: Option<Profile>,
}

/// What the scope `profile` tells of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) preferred_username: String,
}

impl Profile {
    /// The profile of `user`, if `scope` lets the client see it.
    pub(crate) fn visible(user: &User, scope: &Scopes) -> Option<Self> {
        scope.contains(PROFILE).then(|| Self {
            name: user.name.clone(),
            preferred_username: user.email.clone(),
        })
    }
}

/// Whom an access token is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessSubject<'a> {
    pub(crate) sub: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a Scopes,
    pub(crate) auth_time: Option<UnixSeconds>,
}

impl Tokens {
    pub(crate) fn new(issuer: String, audience: String, key: SigningKey) -> Self {
        Self {
            issuer,
            audience,
            key,
        }
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Makes an access token.
    pub(crate) fn access_token(
        &self,
        subject: AccessSubject<'_>,
        now: UnixSeconds,
    ) -> Result<String, JwtError> {
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: subject.sub.to_owned(),
            client_id: subject.client_id.to_owned(),
            scope: subject.scope.to_string(),
            iat: now,
            exp: now + ACCESS_TOKEN_LIFETIME_S,
            jti: uuid::Uuid::new_v4().to_string(),
            auth_time: subject.auth_time,
        };
        self.sign(ACCESS_TOKEN_TYPE, &claims)
    }

    /// Makes the ID token that goes with `access_token`.
    pub(crate) fn id_token(
        &self,
        grant: &PersonGrant,
        user: &User,
        access_token: &str,
        now: UnixSeconds,
    ) -> Result<String, JwtError> {
        let claims = IdClaims {
            iss: self.issuer.clone(),
            aud: grant.client_id.clone(),
            sub: grant.sub.clone(),
            sid: grant.sid.clone(),
            iat: now,
            exp: now + ACCESS_TOKEN_LIFETIME_S,
            auth_time: grant.auth_time,
            at_hash: at_hash(access_token),
            nonce: grant.nonce.clone(),
            profile: Profile::visible(user, &grant.scope),
        };
        self.sign("JWT", &claims)
    }

    /// Reads an access token of ours that is still good.
    pub(crate) fn read_access_token(
        &self,
        token: &str,
        now: UnixSeconds,
    ) -> Result<AccessClaims, TokenError> {
        let mut validation = self.validation();
        validation.set_audience(&[&self.audience]);
        let data: TokenData<AccessClaims> = self.read(token, &validation)?;
        if data.header.typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return Err(TokenError::Type(data.header.typ));
        }
        if now >= data.claims.exp {
            return Err(TokenError::Expired);
        }
        Ok(data.claims)
    }

    /// Reads an ID token of ours that a client gives back as a hint: it may have expired.
    pub(crate) fn read_id_token_hint(&self, token: &str) -> Result<IdClaims, TokenError> {
        let mut validation = self.validation();
        validation.validate_aud = false;
        let data: TokenData<IdClaims> = self.read(token, &validation)?;
        if data.header.typ.as_deref() == Some(ACCESS_TOKEN_TYPE) {
            return Err(TokenError::Type(data.header.typ));
        }
        Ok(data.claims)
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // By our own clock, see the callers.
        validation.validate_exp = false;
        validation
    }

    fn read<T: DeserializeOwned>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<TokenData<T>, TokenError> {
        Ok(decode(token, self.key.public(), validation)?)
    }

    fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JwtError> {
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.key.kid().to_owned());
        encode(&header, claims, self.key.private())
    }
}

/// The left half of the SHA-256, as base64url (OpenID Connect Core, section 3.1.3.6).
fn at_hash(access_token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, access_token.as_bytes());
    let (left, _) = digest.as_ref().split_at(16);
    URL_SAFE_NO_PAD.encode(left)
}
