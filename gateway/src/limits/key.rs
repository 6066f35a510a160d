//! What a limit counts by, as a 128-bit keyed hash: no allocation, no name in memory.
//!
//! The hash is keyed by a random seed of this process, so that nobody can choose colliding values.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use http::HeaderMap;
use route_table::table::LimitKey;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::auth::Caller;

/// What a request can be counted by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyParts<'a> {
    pub(crate) client: IpAddr,
    /// The route's name: ids change when the table is edited, names stay.
    pub(crate) route: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// Who is calling, as far as the route asked.
    pub(crate) caller: &'a Caller,
}

/// Bits of an IPv6 address that one client can't choose freely: a subscriber gets a /64 or more.
const IPV6_PREFIX_BITS: u32 = 64;

static SEED: LazyLock<u64> = LazyLock::new(|| {
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).expect("the system has a source of randomness");
    u64::from_ne_bytes(seed)
});

/// Kinds of keys; one value under two kinds is two keys.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
enum Kind {
    Ip = 1,
    Route,
    Header,
    Claim,
}

fn hash(kind: Kind, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, SEED.wrapping_add(kind as u64))
}

/// Returns the bucket's key. A header or claim that is absent counts by the client's address.
pub(crate) fn key_of(key: &LimitKey, parts: &KeyParts<'_>) -> u128 {
    match key {
        LimitKey::Ip => ip_key(parts.client),
        LimitKey::Route => hash(Kind::Route, parts.route.as_bytes()),
        LimitKey::Header(name) => {
            let mut values = parts.headers.get_all(name).iter();
            let Some(first) = values.next() else {
                return ip_key(parts.client);
            };
            // Repeated fields count as one value of all of them, as RFC 9110 §5.3 joins them.
            values.fold(hash(Kind::Header, first.as_bytes()), |so_far, value| {
                so_far.rotate_left(1) ^ hash(Kind::Header, value.as_bytes())
            })
        }
        LimitKey::Claim(name) => {
            match parts.caller.claim(name) {
                None | Some(Value::Null) => ip_key(parts.client),
                Some(Value::String(text)) => hash(Kind::Claim, text.as_bytes()),
                // Rare: a number or a list is counted by its JSON text.
                Some(other) => hash(Kind::Claim, other.to_string().as_bytes()),
            }
        }
    }
}

/// Returns the key of a client's address: IPv4 whole, IPv6 by its /64. An IPv4-mapped address counts
/// as the IPv4 address that it is.
pub(crate) fn ip_key(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => hash(Kind::Ip, &v4.octets()),
        IpAddr::V6(v6) => hash(Kind::Ip, &prefix_of(v6).to_be_bytes()),
    }
}

fn prefix_of(address: Ipv6Addr) -> u128 {
    u128::from(address) & (u128::MAX << (128 - IPV6_PREFIX_BITS))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn ip(text: &str) -> u128 {
        ip_key(text.parse().unwrap())
    }

    #[test]
    fn ipv6_counts_by_its_64_bit_prefix_and_ipv4_whole() {
        assert_eq!(ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff::9"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_ne!(ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
    }

    #[test]
    fn an_absent_header_or_claim_counts_by_address() {
        let headers = HeaderMap::new();
        let client = "192.0.2.1".parse().unwrap();
        let parts = KeyParts {
            client,
            route: "r",
            headers: &headers,
            caller: &Caller::anonymous(),
        };
        let header = LimitKey::Header(HeaderName::from_static("x-api-key"));
        assert_eq!(key_of(&header, &parts), ip_key(client));
        assert_eq!(
            key_of(&LimitKey::Claim("sub".into()), &parts),
            ip_key(client)
        );
    }

    #[test]
    fn header_claim_and_route_with_one_text_are_three_keys() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static("42"));
        let claims = json!({"sub": "42", "tenant": 42});
        let client = "192.0.2.1".parse().unwrap();
        let parts = KeyParts {
            client,
            route: "42",
            headers: &headers,
            caller: &Caller::claiming(&claims),
        };
        let keys = [
            key_of(
                &LimitKey::Header(HeaderName::from_static("x-api-key")),
                &parts,
            ),
            key_of(&LimitKey::Claim("sub".into()), &parts),
            key_of(&LimitKey::Route, &parts),
            key_of(&LimitKey::Ip, &parts),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "key {index} is not alone");
        }
        let number = key_of(&LimitKey::Claim("tenant".into()), &parts);
        assert_eq!(number, keys[1], "a number counts as its text");
    }

    #[test]
    fn all_values_of_a_repeated_header_count() {
        let client = "192.0.2.1".parse().unwrap();
        let key = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-api-key", HeaderValue::from_static(value));
            }
            let parts = KeyParts {
                client,
                route: "r",
                headers: &headers,
                caller: &Caller::anonymous(),
            };
            key_of(
                &LimitKey::Header(HeaderName::from_static("x-api-key")),
                &parts,
            )
        };
        assert_ne!(key(&["a"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["b", "a"]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }
}
