//! A certificate authority that lives as long as one test.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

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

    /// A new certificate for these names with its key, both in PEM.
    ///
    /// # Panics
    /// When one of them is no name.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
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
