//! Whose request it is where several upstreams have shares.

use std::net::IpAddr;

use http::HeaderMap;
use route_table::table::{Split, UpstreamId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::balance::hash_key;

/// Endpoints are chosen by hashes of the same values: without another seed, an upstream with a small share
/// would get keys that all lead to one of its endpoints.
const SEED: u64 = 0x7368_6172_6573;

/// The upstream of a request: by what the split goes by, or drawn.
pub(crate) fn share_of(
    split: &Split,
    client: IpAddr,
    path: &str,
    headers: &HeaderMap,
) -> UpstreamId {
    split.choose(match &split.by {
        None => fastrand::u64(..),
        Some(key) => {
            let hash = hash_key(key, client, path, headers);
            xxh3_64_with_seed(&hash.to_le_bytes(), SEED)
        }
    })
}
