//! How an upstream's endpoints are known over TLS: authorities, the expected name, our certificate.
//!
//! Built once an upstream, by the control thread, and again when one of the files has changed. Trust is
//! never given up: without a usable configuration there is no connection.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use route_table::table::{EndpointSource, Upstream, UpstreamProtocol};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::listener::{CertificateError, crypto_provider, read_certified_key};

/// Names of the protocols in ALPN (RFC 7301).
pub(super) const H2: &[u8] = b"h2";
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// The gateway's side of TLS towards one upstream.
#[derive(Debug, Clone)]
pub(crate) struct ClientTls {
    /// Offers what the upstream's `protocol` allows.
    pub(super) config: Arc<ClientConfig>,
    /// Offers HTTP/1.1 alone, for requests that want to leave HTTP.
    pub(super) http1_only: Arc<ClientConfig>,
    /// Instead of the endpoint's host.
    pub(super) server_name: Option<ServerName<'static>>,
}

/// Why there is no TLS configuration. None of these texts holds key material.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: holds no usable PEM certificate", .0.display())]
    NoAuthority(PathBuf),
    #[error("this machine has no certificate authorities")]
    NoSystemAuthorities,
    #[error("`server_name: {0}` is no name of a host")]
    ServerName(Arc<str>),
    #[error("{0}")]
    Client(#[from] CertificateError),
    #[error("the authorities cannot be used: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

impl ClientTls {
    /// Reads the upstream's files, or the system's authorities where it names none.
    ///
    /// # Errors
    /// [`TlsError`] with the file it is about.
    pub(crate) fn build(upstream: &Upstream) -> Result<Self, TlsError> {
        let tls = &upstream.tls;
        let roots = match &tls.ca {
            Some(path) => Arc::new(authorities(path)?),
            None => system_authorities()?,
        };
        let provider = crypto_provider();
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            roots,
            Arc::clone(&provider),
        )
        .build()?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3")
            .with_webpki_verifier(verifier);
        let mut config = match &tls.client {
            Some(files) => {
                let key = read_certified_key(files)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match upstream.protocol {
            UpstreamProtocol::Auto => vec![H2.to_vec(), HTTP_1_1.to_vec()],
            UpstreamProtocol::Http1 => vec![HTTP_1_1.to_vec()],
            UpstreamProtocol::Http2 => vec![H2.to_vec()],
        };
        let mut http1_only = config.clone();
        http1_only.alpn_protocols = vec![HTTP_1_1.to_vec()];
        let server_name = tls.server_name.as_ref().map(|name| {
            ServerName::try_from(name.to_string()).map_err(|_| TlsError::ServerName(name.clone()))
        });
        Ok(Self {
            config: Arc::new(config),
            http1_only: Arc::new(http1_only),
            server_name: server_name.transpose()?,
        })
    }

    /// Whether the table's row asks for TLS, as far as the table can know: a registry may name https
    /// endpoints later.
    pub(crate) fn is_asked_for(upstream: &Upstream) -> bool {
        let https = match &upstream.endpoints {
            EndpointSource::Static(endpoints) => endpoints.iter().any(|endpoint| endpoint.tls),
            EndpointSource::Registry { .. } => false,
        };
        https || upstream.tls != route_table::table::UpstreamTls::default()
    }
}

/// Every certificate of a PEM file, each an authority.
fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let text = std::fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        // One that is broken is an error: trust that was meant and is not there is found out here,
        // not by a request.
        let added = certificate.ok().map(|certificate| roots.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(TlsError::NoAuthority(path.to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority(path.to_owned()));
    }
    Ok(roots)
}

/// The authorities that the operating system trusts, read once: there are more than a hundred.
fn system_authorities() -> Result<Arc<RootCertStore>, TlsError> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = SYSTEM.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (_, _ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsError::NoSystemAuthorities);
    }
    Ok(Arc::clone(SYSTEM.get_or_init(|| Arc::new(roots))))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        }
    }

    fn upstream(extra: &str) -> Upstream {
        let text = format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
             upstreams: {{ a: {{ endpoints: ['https://127.0.0.1:1']{extra} }} }}\n\
             routes: [{{ match: {{ prefix: / }}, to: {{ upstream: a }} }}]\n"
        );
        crate::routing::table_for_test(&text).upstreams[0].clone()
    }

    fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
    }

    #[track_caller]
    fn error(extra: &str) -> String {
        ClientTls::build(&upstream(extra))
            .expect_err("something is wrong")
            .to_string()
    }

    #[test]
    fn the_protocol_decides_what_is_offered() {
        let folder = Folder::new();
        let ca = folder.write("ca.pem", &certificate().cert.pem());
        let offered = |protocol: &str| {
            let tls = format!(", tls: {{ ca: '{}' }}{protocol}", ca.display());
            let tls = ClientTls::build(&upstream(&tls)).expect("good files");
            assert_eq!(tls.http1_only.alpn_protocols, [HTTP_1_1]);
            tls.config.alpn_protocols.clone()
        };
        assert_eq!(offered(""), [H2, HTTP_1_1]);
        assert_eq!(offered(", protocol: http1"), [HTTP_1_1]);
        assert_eq!(offered(", protocol: http2"), [H2]);
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        let folder = Folder::new();
        assert!(error(", tls: { ca: /nowhere/ca.pem }").starts_with("/nowhere/ca.pem: cannot"));
        let garbage = folder.write("garbage.pem", "garbage");
        let text = error(&format!(", tls: {{ ca: '{}' }}", garbage.display()));
        assert!(text.ends_with("garbage.pem: holds no usable PEM certificate"));
    }

    #[test]
    fn a_client_certificate_must_fit_its_key() {
        let folder = Folder::new();
        let (one, other) = (certificate(), certificate());
        let cert = folder.write("client.pem", &one.cert.pem());
        let key = folder.write("client.key", &other.signing_key.serialize_pem());
        let (cert, key) = (cert.display(), key.display());
        let text = error(&format!(
            ", tls: {{ ca: '{cert}', cert: '{cert}', key: '{key}' }}"
        ));
        assert!(text.ends_with("do not belong together"), "{text}");
    }

    #[test]
    fn a_server_name_must_be_one() {
        let folder = Folder::new();
        let ca = folder.write("ca.pem", &certificate().cert.pem());
        let text = error(&format!(
            ", tls: {{ ca: '{}', server_name: 'not a name' }}",
            ca.display()
        ));
        assert!(text.contains("not a name"), "{text}");
    }
}
