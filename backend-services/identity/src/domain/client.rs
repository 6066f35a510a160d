//! Clients: the programs that ask for tokens.

use url::{Host, Url};

use crate::domain::scope::Scopes;
use crate::opaque::Hash;

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its `client_id`.
    pub(crate) id: String,
    /// Shown to people on the login page.
    pub(crate) name: String,
    /// Of the secret; absent for a public client, which PKCE alone protects.
    pub(crate) secret: Option<Hash>,
    /// Compared as text.
    pub(crate) redirect_uris: Vec<String>,
    /// Where a browser may be sent after it signed out.
    pub(crate) post_logout_redirect_uris: Vec<String>,
    pub(crate) grants: Vec<Grant>,
    /// What its tokens may be used for at most.
    pub(crate) scopes: Scopes,
}

/// A way to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

impl Grant {
    pub(crate) const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    /// The `grant_type`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}

impl Client {
    pub(crate) fn may(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether the presented secret, or its absence, is this client's.
    pub(crate) fn is_proven_by(&self, secret: Option<&str>) -> bool {
        match (&self.secret, secret) {
            (Some(expected), Some(secret)) => *expected == Hash::of(secret),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether a code may be sent to `candidate`: equal to a registered URI, to the letter. The one
    /// exception is RFC 8252's: a public client on the user's machine may add the port it listens
    /// on to a registered loopback address.
    pub(crate) fn accepts_redirect(&self, candidate: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == candidate
                || (self.secret.is_none() && differs_by_loopback_port(registered, candidate))
        })
    }

    pub(crate) fn accepts_post_logout_redirect(&self, candidate: &str) -> bool {
        self.post_logout_redirect_uris
            .iter()
            .any(|registered| registered == candidate)
    }
}

/// Whether `candidate` is `registered` with a port, both on one loopback IP address over http.
fn differs_by_loopback_port(registered: &str, candidate: &str) -> bool {
    let (Ok(mut expected), Ok(url)) = (Url::parse(registered), Url::parse(candidate)) else {
        return false;
    };
    let loopback = match expected.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // A name may resolve to anything.
        Some(Host::Domain(_)) | None => false,
    };
    loopback
        && expected.scheme() == "http"
        && expected.port().is_none()
        && url.port().is_some()
        && expected.set_port(url.port()).is_ok()
        // Text again, so that nothing that the parser would tidy up gets past.
        && expected.as_str() == candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(secret: Option<&str>, redirect_uri: &str) -> Client {
        Client {
            id: "c".to_owned(),
            name: "C".to_owned(),
            secret: secret.map(Hash::of),
            redirect_uris: vec![redirect_uri.to_owned()],
            post_logout_redirect_uris: vec![],
            grants: vec![Grant::AuthorizationCode],
            scopes: Scopes::all(),
        }
    }

    #[test]
    fn a_redirect_uri_is_compared_to_the_letter() {
        let client = client(Some("s"), "https://shop.example/callback");
        assert!(client.accepts_redirect("https://shop.example/callback"));
        for other in [
            "https://shop.example/callback/",
            "https://shop.example/callback?x=1",
            "https://shop.example/callback/../callback",
            "https://shop.example:443/callback",
            "https://SHOP.example/callback",
            "http://shop.example/callback",
            "https://shop.example.evil.example/callback",
        ] {
            assert!(!client.accepts_redirect(other), "{other}");
        }
    }

    #[test]
    fn a_public_client_on_a_loopback_address_may_choose_its_port() {
        let client = client(None, "http://127.0.0.1/callback");
        assert!(client.accepts_redirect("http://127.0.0.1/callback"));
        assert!(client.accepts_redirect("http://127.0.0.1:49152/callback"));
        for other in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152/callback?x=1",
            "http://127.0.0.1:49152/a/../callback",
            "http://127.0.0.2:49152/callback",
            "http://localhost:49152/callback",
            "https://127.0.0.1:49152/callback",
            "http://user@127.0.0.1:49152/callback",
        ] {
            assert!(!client.accepts_redirect(other), "{other}");
        }
    }

    #[test]
    fn a_confidential_client_may_not_choose_its_port() {
        let client = client(Some("s"), "http://127.0.0.1/callback");
        assert!(!client.accepts_redirect("http://127.0.0.1:49152/callback"));
    }

    #[test]
    fn a_secret_proves_a_confidential_client_and_its_absence_a_public_one() {
        let confidential = client(Some("s"), "https://a.example/");
        assert!(confidential.is_proven_by(Some("s")));
        assert!(!confidential.is_proven_by(Some("t")));
        assert!(!confidential.is_proven_by(None));
        let public = client(None, "https://a.example/");
        assert!(public.is_proven_by(None));
        assert!(!public.is_proven_by(Some("s")));
    }
}
