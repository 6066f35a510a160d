//! What consistent hashing goes by, as a number.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::COOKIE;
use route_table::table::HashKey;
use xxhash_rust::xxh3::xxh3_64;

use crate::edge::cookies;

/// Hashes what `key` names in a request. What is absent counts as the client's address. The same on
/// every gateway, and not keyed: whoever chooses values so that all fall on one endpoint can as well
/// send the same value again and again.
pub(crate) fn hash_key(key: &HashKey, client: IpAddr, path: &str, headers: &HeaderMap) -> u64 {
    let found = match key {
        HashKey::ClientIp => None,
        HashKey::Path => Some(path.as_bytes()),
        HashKey::Header(name) => headers.get(name).map(http::HeaderValue::as_bytes),
        HashKey::Cookie(name) => headers
            .get_all(COOKIE)
            .iter()
            .find_map(|field| cookies::find(field.as_bytes(), name)),
    };
    match (found, client) {
        (Some(found), _) => xxh3_64(found),
        (None, IpAddr::V4(client)) => xxh3_64(&client.octets()),
        (None, IpAddr::V6(client)) => xxh3_64(&client.octets()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn hash(key: &HashKey, client: IpAddr, path: &str, header: &'static str) -> u64 {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header.split_once(": ") {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        hash_key(key, client, path, &headers)
    }

    #[test]
    fn requests_alike_in_what_is_named_hash_alike() {
        let tenant = HashKey::Header(HeaderName::from_static("x-tenant"));
        let basket = HashKey::Cookie("basket".into());
        let other = "198.51.100.1".parse().expect("an address");
        for (key, header) in [
            (&tenant, "x-tenant: 7"),
            (&basket, "cookie: a=1; basket=7"),
            (&HashKey::Path, ""),
        ] {
            let one = hash(key, CLIENT, "/a", header);
            assert_eq!(one, hash(key, other, "/a", header), "{key:?}");
            assert_ne!(
                one,
                hash(&HashKey::ClientIp, CLIENT, "/a", header),
                "{key:?}"
            );
        }
    }

    #[test]
    fn what_is_absent_counts_as_the_clients_address() {
        let by_address = hash(&HashKey::ClientIp, CLIENT, "/a", "");
        for key in [
            HashKey::Header(HeaderName::from_static("x-tenant")),
            HashKey::Cookie("basket".into()),
        ] {
            assert_eq!(hash(&key, CLIENT, "/b", "cookie: other=1"), by_address);
        }
    }
}
