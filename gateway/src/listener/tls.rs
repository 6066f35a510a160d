//! Certificates, replaced while running.
//!
//! The control thread reads the files and publishes what it found; a handshake takes what is there.
//! Files that do not fit together are reported and the last good pair goes on serving: an update that
//! writes the certificate before its key must not end in an outage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use route_table::table::{ListenerTls, TlsFiles};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::listener::client_certificate::ClientVerifier;

/// The certificate of one listener.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    /// Who says which certificates of clients are good; absent where none is asked for.
    clients: Option<Arc<ClientVerifier>>,
}

/// Why a certificate can't be used. None of these texts holds key material.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("{}: holds no certificate of an authority in PEM", .0.display())]
    NoAuthority(PathBuf),
    #[error("{}: holds no PEM private key", .0.display())]
    NoKey(PathBuf),
    #[error("{}: the key is of a kind that is not supported", .0.display())]
    UnsupportedKey(PathBuf),
    #[error("{} and {} do not belong together", cert.display(), key.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
}

impl Certificates {
    /// Reads a listener's certificate for the first time.
    ///
    /// # Errors
    /// [`CertificateError`] with the file it is about.
    pub(crate) fn load(tls: ListenerTls) -> Result<Arc<Self>, CertificateError> {
        let clients = tls.clients.map(ClientVerifier::load).transpose()?;
        Ok(Arc::new(Self {
            current: ArcSwap::new(read_certified_key(&tls.files)?),
            files: tls.files,
            clients: clients.map(Arc::new),
        }))
    }

    /// Reads the files again and serves what they hold from now on. Returns whether that is something
    /// new.
    ///
    /// # Errors
    /// [`CertificateError`]; what served before goes on serving.
    pub(crate) fn reload(&self) -> Result<bool, CertificateError> {
        if let Some(clients) = &self.clients {
            clients.reload()?;
        }
        let found = read_certified_key(&self.files)?;
        if found.cert == self.current.load().cert {
            return Ok(false);
        }
        self.current.store(found);
        Ok(true)
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// The TLS side of a listener: TLS 1.2 and 1.3, HTTP/2 or HTTP/1.1 by ALPN.
    pub(crate) fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3");
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some(clients) => config.with_client_cert_verifier(Arc::clone(clients) as _),
        };
        let mut config = config.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// The one crypto backend.
pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads a certificate chain with its key, and makes sure that they belong together.
///
/// # Errors
/// [`CertificateError`] with the file it is about.
pub(crate) fn read_certified_key(files: &TlsFiles) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(&read_file(&files.cert)?)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read_file(&files.key)?)
        .map_err(|_| CertificateError::NoKey(files.key.clone()))?;
    let key = crypto_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| CertificateError::UnsupportedKey(files.key.clone()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(_) => Err(CertificateError::Mismatch {
            cert: files.cert.clone(),
            key: files.key.clone(),
        }),
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn files(&self) -> TlsFiles {
            TlsFiles {
                cert: self.0.path().join("cert.pem"),
                key: self.0.path().join("key.pem"),
            }
        }

        fn tls(&self) -> ListenerTls {
            ListenerTls {
                files: self.files(),
                clients: None,
            }
        }

        fn write_cert(&self, pair: &rcgen::CertifiedKey<rcgen::KeyPair>) {
            std::fs::write(self.files().cert, pair.cert.pem()).expect("writable");
        }

        fn write_key(&self, pair: &rcgen::CertifiedKey<rcgen::KeyPair>) {
            std::fs::write(self.files().key, pair.signing_key.serialize_pem()).expect("writable");
        }
    }

    fn pair() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
    }

    #[test]
    fn a_replaced_pair_is_served() {
        let (folder, old, new) = (Folder::new(), pair(), pair());
        folder.write_cert(&old);
        folder.write_key(&old);
        let certificates = Certificates::load(folder.tls()).expect("a good pair");
        assert!(
            !certificates.reload().expect("still good"),
            "nothing has changed"
        );
        folder.write_cert(&new);
        folder.write_key(&new);
        assert!(certificates.reload().expect("a good pair"));
        assert_eq!(certificates.current.load().cert[0], *new.cert.der());
    }

    #[test]
    fn a_certificate_without_its_key_leaves_the_last_good_pair() {
        let (folder, old, new) = (Folder::new(), pair(), pair());
        folder.write_cert(&old);
        folder.write_key(&old);
        let certificates = Certificates::load(folder.tls()).expect("a good pair");
        folder.write_cert(&new);
        assert!(matches!(
            certificates.reload(),
            Err(CertificateError::Mismatch { .. })
        ));
        assert_eq!(certificates.current.load().cert[0], *old.cert.der());
    }

    #[test]
    fn errors_name_the_file() {
        let folder = Folder::new();
        let error = Certificates::load(folder.tls())
            .expect_err("no files")
            .to_string();
        assert!(error.contains("cert.pem"), "{error}");
        std::fs::write(folder.files().cert, "garbage").expect("writable");
        let error = Certificates::load(folder.tls())
            .expect_err("garbage")
            .to_string();
        assert!(error.contains("holds no PEM certificate"), "{error}");
    }
}
