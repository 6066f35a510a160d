//! Tokens that were verified before: an RS256 check costs as much as the rest of a request.
//!
//! Found by a keyed 128-bit hash and believed only when the whole token is the same, so that no
//! collision, found or forged, can lend one caller the identity of another. An entry holds for the
//! keys that verified it: a new key set empties the cache in effect, at no cost.

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::verifier::VerifiedToken;

/// Tokens of one provider that are remembered.
const TOKENS_MAX: u64 = 10_000;

/// Verified tokens of one provider.
pub(crate) struct TokenCache {
    seed: u64,
    tokens: Cache<u128, Arc<Entry>>,
}

#[derive(Debug)]
struct Entry {
    token: Box<str>,
    /// Generation of the key set that verified it.
    generation: u64,
    verified: Arc<VerifiedToken>,
}

impl TokenCache {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).expect("the system has a source of randomness");
        let tokens = Cache::builder().max_capacity(TOKENS_MAX).build();
        Self {
            seed: u64::from_ne_bytes(seed),
            tokens,
        }
    }

    fn key(&self, token: &str) -> u128 {
        xxh3_128_with_seed(token.as_bytes(), self.seed)
    }

    /// Finds a token that the key set of this generation has verified. Its times are not checked.
    pub(crate) fn get(&self, token: &str, generation: u64) -> Option<Arc<VerifiedToken>> {
        let entry = self.tokens.get(&self.key(token))?;
        let is_it = entry.generation == generation && *entry.token == *token;
        is_it.then(|| Arc::clone(&entry.verified))
    }

    pub(crate) fn insert(&self, token: &str, generation: u64, verified: &Arc<VerifiedToken>) {
        let entry = Entry {
            token: token.into(),
            generation,
            verified: Arc::clone(verified),
        };
        self.tokens.insert(self.key(token), Arc::new(entry));
    }

    pub(crate) fn forget(&self, token: &str) {
        self.tokens.invalidate(&self.key(token));
    }
}

impl fmt::Debug for TokenCache {
    /// Says how many there are; the tokens are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("tokens", &self.tokens.entry_count())
            .finish()
    }
}
