//! Proof key for code exchange (RFC 7636), with `S256` and nothing weaker: a code that leaks is
//! worth nothing without the verifier that never left the client.

use crate::opaque::Hash;

/// A `code_challenge`: the base64url SHA-256 of the verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge(String);

/// Characters of a base64url SHA-256.
const CHALLENGE_CHARACTERS: usize = 43;

impl Challenge {
    /// Reads a challenge; `None` if it cannot be a SHA-256.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == CHALLENGE_CHARACTERS
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The challenge that belongs to a verifier.
    pub(crate) fn of(verifier: &str) -> Self {
        Self(Hash::of(verifier).to_base64url())
    }

    /// Whether `verifier` is well-formed and belongs to this challenge.
    pub(crate) fn matches(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        well_formed && *self == Self::of(verifier)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.matches("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.matches("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
    }

    #[test]
    fn a_short_verifier_is_refused_even_if_it_hashes_right() {
        assert!(!Challenge::of("short").matches("short"));
    }

    #[test]
    fn what_cannot_be_a_sha_256_is_no_challenge() {
        for text in ["", "plain", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
