//! Opaque secrets: codes, refresh tokens and session ids are random when they go out, and only
//! their SHA-256 is kept. They carry 256 random bits, so a plain hash is enough; there is no salt
//! because there is nothing to guess.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Random bits of a secret, in bytes.
const SECRET_BYTES: usize = 32;

/// The SHA-256 of a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    /// Hashes a secret as it was presented.
    pub(crate) fn of(secret: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, secret.as_bytes());
        Self(
            digest
                .as_ref()
                .try_into()
                .expect("a SHA-256 digest has 32 bytes"),
        )
    }

    /// Reads a hash back from the database.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to keep.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The hash as unpadded base64url.
    pub(crate) fn to_base64url(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// In constant time: how much of a guess was right is nobody's business.
impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Hash {}

/// Makes a secret of 256 random bits: 43 characters that need no escaping anywhere.
pub(crate) fn random_secret() -> String {
    let mut bytes = [0; SECRET_BYTES];
    rand::fill(&mut bytes).expect("the system has a source of randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_43_characters_of_the_base64url_alphabet_and_never_repeats() {
        let secret = random_secret();
        assert_eq!(secret.len(), 43);
        assert!(
            secret
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_ne!(secret, random_secret());
    }

    #[test]
    fn a_hash_survives_the_database() {
        let hash = Hash::of("secret");
        assert_eq!(Hash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(Hash::from_bytes(b"short"), None);
        assert_ne!(hash, Hash::of("Secret"));
    }
}
