//! Certificates that clients show: which are good, and what they say.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use route_table::table::ClientCertificates;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

use crate::listener::tls::{CertificateError, crypto_provider, read_file};

/// A certificate by which a client has proved who it is.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) sha256: [u8; 32],
    /// Subject alternative names (RFC 5280, section 4.2.1.6), in lower case.
    pub(crate) dns_names: Vec<String>,
    pub(crate) uris: Vec<String>,
}

impl ClientCertificate {
    /// Reads the certificate that a handshake has verified. `None`: it cannot be read as one.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let parsed = EndEntityCert::try_from(der).ok()?;
        let sha256 = digest(&SHA256, der);
        Some(Self {
            sha256: sha256.as_ref().first_chunk().copied()?,
            dns_names: parsed
                .valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect(),
            uris: parsed.valid_uri_names().map(str::to_owned).collect(),
            der: der.clone().into_owned(),
        })
    }
}

/// Verifies by the authorities of a file, which is read again when it changes.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    clients: ClientCertificates,
    current: ArcSwap<Arc<dyn ClientCertVerifier>>,
    schemes: Vec<SignatureScheme>,
}

impl ClientVerifier {
    pub(super) fn load(clients: ClientCertificates) -> Result<Self, CertificateError> {
        let verifier = read(&clients)?;
        Ok(Self {
            schemes: verifier.supported_verify_schemes(),
            current: ArcSwap::from_pointee(verifier),
            clients,
        })
    }

    pub(super) fn reload(&self) -> Result<(), CertificateError> {
        self.current.store(Arc::new(read(&self.clients)?));
        Ok(())
    }
}

fn read(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let none = || CertificateError::NoAuthority(clients.ca.clone());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read_file(&clients.ca)?) {
        roots
            .add(certificate.map_err(|_| none())?)
            .map_err(|_| none())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto_provider());
    let verifier = if clients.required {
        verifier
    } else {
        verifier.allow_unauthenticated()
    };
    verifier.build().map_err(|_| none())
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.clients.required
    }

    /// None: clients choose by themselves, and strangers need not know who is trusted here.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let current = self.current.load();
        current.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let current = self.current.load();
        current.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let current = self.current.load();
        current.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
