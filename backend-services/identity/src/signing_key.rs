//! The key that signs tokens: ECDSA on P-256, made at the first start and kept beside the
//! databases, so that tokens outlive a restart.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

/// The one algorithm we sign with.
pub(crate) const ALGORITHM: Algorithm = Algorithm::ES256;

/// PKCS#8, DER.
const FILE_NAME: &str = "identity-signing-key.p8";

/// A private key, with its public half as the world sees it.
#[derive(Debug)]
pub(crate) struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    jwk: Jwk,
    /// The RFC 7638 thumbprint: the same key has the same name everywhere.
    kid: String,
}

impl SigningKey {
    /// Reads the key in `folder`, or makes one.
    pub(crate) async fn load_or_create(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE_NAME);
        if !fs::try_exists(&path).await? {
            create(&path)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        check_permissions(&path).await?;
        let pkcs8 = fs::read(&path)
            .await
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::from_pkcs8(&pkcs8)
            .with_context(|| format!("{} is no P-256 key in PKCS#8", path.display()))
    }

    fn from_pkcs8(pkcs8: &[u8]) -> anyhow::Result<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?;
        let private = EncodingKey::from_ec_der(pkcs8);
        let mut jwk = Jwk::from_encoding_key(&private, ALGORITHM)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(kid.clone());
        Ok(Self {
            public: DecodingKey::from_jwk(&jwk)?,
            private,
            jwk,
            kid,
        })
    }

    pub(crate) fn private(&self) -> &EncodingKey {
        &self.private
    }

    pub(crate) fn public(&self) -> &DecodingKey {
        &self.public
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// What `/jwks` serves.
    pub(crate) fn key_set(&self) -> JwkSet {
        JwkSet {
            keys: vec![self.jwk.clone()],
        }
    }
}

/// Writes a new key for our eyes only. It appears whole or not at all, and if another instance was
/// faster, its key stays.
async fn create(path: &Path) -> anyhow::Result<()> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?;
    let temporary = temporary_beside(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&temporary).await?;
    file.write_all(key.as_ref()).await?;
    file.sync_all().await?;
    drop(file);
    // A hard link, unlike a rename, does not replace.
    let linked = fs::hard_link(&temporary, path).await;
    fs::remove_file(&temporary).await?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

fn temporary_beside(path: &Path) -> PathBuf {
    path.with_extension(uuid::Uuid::new_v4().to_string())
}

#[cfg(unix)]
async fn check_permissions(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).await?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{} is open to others (mode {mode:o}): chmod 600 it",
            path.display()
        );
    }
    Ok(())
}

#[cfg(not(unix))]
async fn check_permissions(_path: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_restart_finds_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = SigningKey::load_or_create(folder.path()).await.unwrap();
        let second = SigningKey::load_or_create(folder.path()).await.unwrap();
        assert_eq!(first.kid(), second.kid());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing left behind"
        );
    }

    #[tokio::test]
    async fn instances_that_start_together_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = tokio::join!(
            SigningKey::load_or_create(folder.path()),
            SigningKey::load_or_create(folder.path()),
        );
        assert_eq!(a.unwrap().kid(), b.unwrap().kid());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_key_is_for_our_eyes_only_and_an_open_one_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        SigningKey::load_or_create(folder.path()).await.unwrap();
        let path = folder.path().join(FILE_NAME);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = SigningKey::load_or_create(folder.path()).await.unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[tokio::test]
    async fn a_damaged_key_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::load_or_create(folder.path()).await.unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, b"damaged").unwrap();
        let error = SigningKey::load_or_create(folder.path()).await.unwrap_err();
        assert!(error.to_string().contains(FILE_NAME), "{error}");
    }
}
