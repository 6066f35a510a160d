//! Who may call: providers of identity, and what a route asks of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Value};

use super::{Given, Position, ProviderId, UpstreamId};

/// Somebody whose word on who is calling is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub name: Arc<str>,
    pub position: Position,
    pub kind: ProviderKind,
    /// Claim → header that the upstream receives; default `sub → X-User-Id`, `scope → X-User-Scopes`.
    /// These headers are stripped from every request before they are set.
    pub claims_to_headers: Vec<(Arc<str>, HeaderName)>,
    /// The claim that lists the caller's roles; default `roles`. Dots lead into objects:
    /// `realm_access.roles`.
    pub roles_claim: Arc<str>,
    /// Where its tokens or keys are looked for, in this order; the first place that has one counts.
    /// Default `[bearer]`, for API keys `[header:X-Api-Key]`; empty for a forwarded check, which then is
    /// asked about every request.
    pub from: Vec<Place>,
    /// Whether the upstream sees the token or key itself; default: tokens yes, API keys no, and what is
    /// exchanged no.
    pub pass_credential: bool,
    /// Upstreams get a token of [`Table::issuer`](super::Table::issuer) in place of what the caller brought.
    pub exchange: bool,
    /// What of it was written.
    pub given: Given,
}

impl Provider {
    /// Where the credentials of a demand are looked for.
    #[must_use]
    pub fn places<'p>(&'p self, demand: &'p Demand) -> &'p [Place] {
        if demand.from.is_empty() {
            &self.from
        } else {
            &demand.from
        }
    }
}

/// How a provider knows a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    Jwt(JwtRules),
    ApiKeys(ApiKeyFile),
    Forward(ForwardCheck),
    Introspection(Introspection),
    /// Certificates of clients by their names; see [`ListenerTls::clients`](super::ListenerTls::clients).
    ClientCertificate(Vec<SanPattern>),
}

/// A subject alternative name (RFC 5280, section 4.2.1.6) that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SanPattern {
    Dns(Arc<str>),
    /// `*.` before it: one label, no more (RFC 6125).
    AnyLabelBelow(Arc<str>),
    Uri(Arc<str>),
    /// `*` at the end: everything that begins so.
    UriPrefix(Arc<str>),
}

impl ProviderKind {
    /// The rules for tokens, if it knows callers by tokens that they bring signed.
    #[must_use]
    pub fn jwt(&self) -> Option<&JwtRules> {
        match self {
            Self::Jwt(rules) => Some(rules),
            _ => None,
        }
    }
}

/// An issuer of signed tokens (RFC 7519), and what a token of it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtRules {
    /// `iss` must equal it.
    pub issuer: Arc<str>,
    /// Where the keys are fetched.
    pub jwks_uri: Arc<str>,
    /// `aud` must contain one of them; at least one.
    pub audiences: Vec<Arc<str>>,
    /// Accepted `alg` values; default `[ES256, RS256]`. Symmetric ones and `none` are refused by validation.
    pub algorithms: Vec<Algorithm>,
    /// Tolerance for `exp` and `nbf`; default 60 s.
    pub clock_skew: Duration,
    /// Tokens that are good for longer, from `iat` to `exp`, are refused; no bound by default.
    pub lifetime_max: Option<Duration>,
    /// How long the last good keys serve while the issuer is unreachable; default 1 h, then 503.
    pub stale_keys: Duration,
}

/// Signature algorithms by RFC 7518 and RFC 8037, asymmetric only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Keys that were handed out, by their hashes, in a file that may change at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyFile {
    /// Resolved against the folder of the table's file.
    pub path: PathBuf,
}

/// One key that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose key it is: the caller's `sub`, unless `claims` say otherwise.
    pub id: Arc<str>,
    /// The key's SHA-256. Keys are long and random, so that a plain hash gives none away.
    pub sha256: [u8; 32],
    /// The last second, since 1970, in which it is taken; absent: until it is taken out of the file.
    pub not_after: Option<u64>,
    /// What a token would claim of the caller.
    pub claims: Map<String, Value>,
}

/// A service of yours that says yes or no to a request, as nginx's `auth_request` and Traefik's
/// `forwardAuth` ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardCheck {
    pub asked: Asked,
    /// Headers of the request that it is sent; default `Authorization` and `Cookie`.
    pub send: Vec<HeaderName>,
    pub claims: ClaimSource,
}

/// An authorisation server that knows its tokens (RFC 7662).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    pub asked: Asked,
    /// By which the gateway signs in there, with the secret in the file.
    pub client_id: Arc<str>,
    /// Resolved against the folder of the table's file.
    pub client_secret_file: PathBuf,
    /// `aud` must contain one of them; empty: it is not looked at.
    pub audiences: Vec<Arc<str>>,
}

/// Who is asked about a caller, and how long an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub upstream: UpstreamId,
    /// Path, and query if there is one.
    pub target: Arc<str>,
    /// Default 1 s.
    pub timeout: Duration,
    /// How long a yes is remembered; none by default.
    pub cache: Duration,
    /// How much longer it holds while nobody answers; none by default: then 503.
    pub stale: Duration,
}

/// Where the answer of a check says who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimSource {
    /// Claim → header of the answer.
    Headers(Vec<(Arc<str>, HeaderName)>),
    /// The answer's body, a JSON object.
    Body,
}

/// The gateway as an issuer of tokens of its own, for services behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnIssuer {
    /// `iss` of its tokens.
    pub name: Arc<str>,
    /// Private key in PEM (P-256), resolved against the folder of the table's file.
    pub key: PathBuf,
    /// `aud` of its tokens.
    pub audiences: Vec<Arc<str>>,
    /// From `iat` to `exp`; default 60 s.
    pub lifetime: Duration,
}

/// What a route asks of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteAuth {
    /// At least one.
    pub demands: Vec<Demand>,
    pub combine: Combine,
    /// `true`: a request that brings nothing passes without identity; a bad token is still refused.
    pub optional: bool,
}

/// How several demands go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The first that is met is enough.
    Any,
    /// Every one must be met.
    All,
}

/// What one provider must say of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Demand {
    pub provider: ProviderId,
    /// Where this route looks instead, see [`Provider::places`]; empty: where the provider says.
    pub from: Vec<Place>,
    /// All of them must be granted, else 403.
    pub scopes: Vec<Arc<str>>,
    /// One of them must be the caller's, else 403; empty: none is asked for.
    pub roles: Vec<Arc<str>>,
    /// All of them must hold, else 403.
    pub claims: Vec<ClaimCondition>,
}

/// A claim and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimCondition {
    /// Dots lead into objects, unless a claim is called just so.
    pub claim: Arc<str>,
    /// The claim is one of them, or a list that has one of them. Numbers and booleans as JSON writes them.
    pub values: Vec<Arc<str>>,
}

/// A place in a request where a token or key may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// `Authorization: Bearer …` (RFC 6750, section 2.1).
    Bearer,
    /// The whole value of another header.
    Header(HeaderName),
    Cookie(Arc<str>),
    /// A parameter of the query, whose value the log never shows.
    Query(Arc<str>),
}
