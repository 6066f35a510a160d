//! A certificate authority that lives as long as one test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::deadline::{PATIENCE, within};

/// Issues certificates for `localhost`.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes a new one.
    ///
    /// # Panics
    /// When the machine has no randomness.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate, for clients that are to trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS connection to a server that this authority vouches for, on which `protocol` was agreed.
    ///
    /// # Panics
    /// When the server is another, or does not agree to the protocol.
    pub async fn dial(&self, addr: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
        let stream = within("a connection", PATIENCE, TcpStream::connect(addr)).await;
        self.secure(stream.unwrap(), protocol).await
    }

    /// The same on a connection that is there already.
    ///
    /// # Panics
    /// When the server is another, or does not agree to the protocol.
    pub async fn secure(&self, stream: TcpStream, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        roots.add(own).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = within("a TLS handshake", PATIENCE, handshake)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }

    /// A new certificate for these names, some of which may be URIs, with its key, both in PEM.
    ///
    /// # Panics
    /// When one of them is no name.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let (uris, names): (Vec<&str>, _) = names.iter().partition(|name| name.contains("://"));
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let uris = uris
            .into_iter()
            .map(|uri| SanType::URI(uri.try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A TLS server's configuration with a certificate for 127.0.0.1.
    ///
    /// # Panics
    /// When the machine has no randomness.
    pub fn server_config(&self, protocols: &[&str]) -> ServerConfig {
        let (certificate, key) = self.issue(&["127.0.0.1"]);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_no_client_auth();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        let protocols = protocols.iter();
        config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// Writes a new `edge.pem` and `edge.key`, each moved into its place as a whole.
    ///
    /// # Panics
    /// When the folder can't be written to.
    pub fn issue_into(&self, folder: &Path) {
        let (certificate, key) = self.issue(&["localhost", "127.0.0.1", "::1"]);
        for (name, text) in [("edge.pem", certificate), ("edge.key", key)] {
            let fresh = folder.join(format!("{name}.new"));
            std::fs::write(&fresh, text).unwrap();
            std::fs::rename(fresh, folder.join(name)).unwrap();
        }
    }
}
