//! Values that nobody can guess.

use aws_lc_rs::{digest as hash, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 256 random bits as text.
pub(super) fn secret() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 as text: the challenge of PKCE, and what a session is stored under.
pub(super) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash::digest(&hash::SHA256, text.as_bytes()))
}
