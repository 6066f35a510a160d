//! Callers by the certificates that they have shown in the handshake.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue};
use moka::sync::Cache;
use route_table::table::{Provider, SanPattern};
use serde_json::{Map, Value, json};

use super::caller::Identity;
use super::refused::Reason;
use crate::listener::ClientCertificate;

/// The certificate as upstreams get it (RFC 9440).
pub(super) const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// Its chain, which clients are not to make up either.
pub(super) const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Certificates of one provider whose names were read before.
const CERTIFICATES_MAX: u64 = 10_000;

/// The names that are accepted, and who has shown one.
pub(super) struct Certificates {
    provider: Provider,
    sans: Vec<SanPattern>,
    /// By the certificate's SHA-256.
    known: Cache<[u8; 32], Arc<Identity>>,
}

impl Certificates {
    pub(super) fn new(provider: &Provider, sans: &[SanPattern]) -> Self {
        Self {
            provider: provider.clone(),
            sans: sans.to_vec(),
            known: Cache::builder().max_capacity(CERTIFICATES_MAX).build(),
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Says whose certificate it is.
    pub(super) fn identify(
        &self,
        shown: Option<&ClientCertificate>,
    ) -> Result<Arc<Identity>, Reason> {
        let shown = shown.ok_or(Reason::Missing)?;
        if let Some(known) = self.known.get(&shown.sha256) {
            return Ok(known);
        }
        let name = self.accepted_name(shown).ok_or(Reason::Certificate)?;
        let identity = Arc::new(self.identity(shown, name));
        self.known.insert(shown.sha256, Arc::clone(&identity));
        Ok(identity)
    }

    fn accepted_name<'c>(&self, shown: &'c ClientCertificate) -> Option<&'c str> {
        self.sans.iter().find_map(|san| {
            let names = match san {
                SanPattern::Dns(_) | SanPattern::AnyLabelBelow(_) => &shown.dns_names,
                SanPattern::Uri(_) | SanPattern::UriPrefix(_) => &shown.uris,
            };
            let name = names.iter().find(|name| accepts(san, name))?;
            Some(name.as_str())
        })
    }

    fn identity(&self, shown: &ClientCertificate, name: &str) -> Identity {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), Value::from(name));
        let all = shown.dns_names.iter().chain(&shown.uris);
        claims.insert("sans".to_owned(), all.cloned().collect());
        // As a token that is bound to a certificate names it (RFC 8705, section 3.1).
        let thumbprint = URL_SAFE_NO_PAD.encode(shown.sha256);
        claims.insert("cnf".to_owned(), json!({ "x5t#S256": thumbprint }));
        let mut identity = Identity::new(&self.provider, claims);
        if self.provider.pass_credential {
            // A byte sequence of a structured field (RFC 9440, section 2.1).
            let mut text = String::from(":");
            STANDARD.encode_string(&shown.der, &mut text);
            let _ = text.write_char(':');
            if let Ok(value) = HeaderValue::try_from(text) {
                identity.headers.push((CLIENT_CERT, value));
            }
        }
        identity
    }
}

fn accepts(san: &SanPattern, name: &str) -> bool {
    match san {
        SanPattern::Dns(wanted) | SanPattern::Uri(wanted) => name == &**wanted,
        SanPattern::UriPrefix(prefix) => name.starts_with(&**prefix),
        SanPattern::AnyLabelBelow(domain) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && label != "*" && rest == &**domain),
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("provider", &self.provider.name)
            .field("sans", &self.sans)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_accepts(san: &SanPattern, accepted: &[&str], refused: &[&str]) {
        for name in accepted {
            assert!(accepts(san, name), "{name}");
        }
        for name in refused {
            assert!(!accepts(san, name), "{name}");
        }
    }

    #[test]
    fn names_are_accepted_whole_by_one_label_or_by_their_beginning() {
        let dns = SanPattern::Dns("a.test".into());
        assert_accepts(&dns, &["a.test"], &["b.a.test", "a.test.evil", "xa.test"]);
        let below = SanPattern::AnyLabelBelow("a.test".into());
        let others = ["a.test", "x.y.a.test", ".a.test", "*.a.test", "x.b.test"];
        assert_accepts(&below, &["x.a.test"], &others);
        let uri = SanPattern::Uri("spiffe://a/x".into());
        assert_accepts(&uri, &["spiffe://a/x"], &["spiffe://a/xy", "spiffe://a/"]);
        let prefix = SanPattern::UriPrefix("spiffe://a/".into());
        let others = ["spiffe://ab/x", "https://spiffe://a/"];
        assert_accepts(&prefix, &["spiffe://a/x", "spiffe://a/"], &others);
    }
}
