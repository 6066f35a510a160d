//! Who the client is, and telling it to upstreams.
//!
//! `X-Forwarded-*` of a stranger is worth nothing and is dropped. Behind trusted proxies the list is
//! walked from the right: the first address that is no trusted proxy is the client.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Says that the request is a copy whose answer nobody waits for.
pub(crate) const X_SHADOW: HeaderName = HeaderName::from_static("x-shadow");

/// Hops of `X-Forwarded-For` that are looked at; a longer list ends the walk.
const HOPS_MAX: usize = 32;

/// Whose word about the client is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'t> {
    /// Only proxies in these networks.
    Listed(&'t [IpNet]),
    /// The peer is one of ours, whatever its address.
    Peer,
}

impl Trust<'_> {
    fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::Listed(networks) => networks.iter().any(|network| network.contains(&address)),
            Self::Peer => false,
        }
    }

    pub(crate) fn trusts_peer(self, peer: IpAddr) -> bool {
        matches!(self, Self::Peer) || self.covers(peer)
    }
}

/// The client's address, given the connection's peer.
pub(crate) fn client_ip(headers: &HeaderMap, peer: IpAddr, trust: Trust<'_>) -> IpAddr {
    let peer = peer.to_canonical();
    if !trust.trusts_peer(peer) || !headers.contains_key(X_FORWARDED_FOR) {
        return peer;
    }
    let mut client = peer;
    let hops = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = hops.flat_map(|value| value.to_str().unwrap_or("").rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = address(hop.trim()) else {
            break;
        };
        client = address;
        if !trust.covers(client) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|socket| socket.ip())
    };
    let in_brackets = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<IpAddr>()
            .ok()
    };
    bare.or_else(with_port)
        .or_else(in_brackets)
        .map(|ip| ip.to_canonical())
}

/// What upstreams are told about the client.
#[derive(Debug)]
pub(crate) struct Told<'t> {
    /// The client's address.
    pub(crate) client: HeaderValue,
    pub(crate) https: bool,
    pub(crate) host: Option<&'t HeaderValue>,
    /// Keep what a trusted proxy already said about scheme and host.
    pub(crate) trusted: bool,
}

/// An address as a header's value.
///
/// # Panics
/// Never: addresses are written in ASCII.
pub(crate) fn address_value(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).expect("an address is ASCII")
}

/// Whether a header says something about the client that we do not repeat.
fn is_said(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "forwarded" | "x-real-ip" | "x-forwarded-port" | "x-shadow"
    )
}

/// Replaces all that was said about the client by what we know.
pub(crate) fn tell(headers: &mut HeaderMap, told: Told<'_>) {
    if headers.keys().any(is_said) {
        headers.remove(FORWARDED);
        headers.remove(X_REAL_IP);
        if !told.trusted {
            headers.remove(X_FORWARDED_PORT);
            headers.remove(X_SHADOW);
        }
    }
    headers.insert(X_FORWARDED_FOR, told.client);
    if !(told.trusted && headers.contains_key(X_FORWARDED_PROTO)) {
        let proto = if told.https { "https" } else { "http" };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if !(told.trusted && headers.contains_key(X_FORWARDED_HOST)) {
        match told.host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host.clone()),
            None => headers.remove(X_FORWARDED_HOST),
        };
    }
}

/// Whether the client has come by https, as upstreams are told.
pub(crate) fn tells_https(headers: &HeaderMap) -> bool {
    let proto = headers.get(X_FORWARDED_PROTO);
    let first = proto.and_then(|value| value.to_str().ok()?.split(',').next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.9";

    #[track_caller]
    fn client(forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().expect("a header value"));
        }
        let networks: Vec<IpNet> = trusted
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        let peer = PEER.parse().expect("an address");
        client_ip(&headers, peer, Trust::Listed(&networks)).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client(&["1.2.3.4"], &[]), PEER);
        assert_eq!(client(&["1.2.3.4"], &["192.168.0.0/16"]), PEER);
    }

    #[test]
    fn the_list_is_walked_from_the_right_past_trusted_proxies() {
        assert_eq!(
            client(&["6.6.6.6, 1.2.3.4, 10.0.0.8"], &["10.0.0.0/8"]),
            "1.2.3.4"
        );
        assert_eq!(client(&["6.6.6.6", "1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
    }

    #[test]
    fn what_stands_left_of_garbage_is_not_read() {
        assert_eq!(
            client(&["1.2.3.4, garbage, 10.0.0.8"], &["10.0.0.0/8"]),
            "10.0.0.8"
        );
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        assert_eq!(client(&["1.2.3.4:5678"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(
            client(&["[2001:db8::1]:443"], &["10.0.0.0/8"]),
            "2001:db8::1"
        );
        assert_eq!(client(&["[2001:db8::1]"], &["10.0.0.0/8"]), "2001:db8::1");
    }

    #[test]
    fn one_of_ours_is_believed_for_one_hop() {
        let mut headers = HeaderMap::new();
        headers.insert(
            X_FORWARDED_FOR,
            "6.6.6.6, 1.2.3.4".parse().expect("a header value"),
        );
        let peer = "127.0.0.1".parse().expect("an address");
        assert_eq!(
            client_ip(&headers, peer, Trust::Peer).to_string(),
            "1.2.3.4"
        );
    }

    #[test]
    fn a_strangers_forwarded_headers_are_replaced() {
        let mut headers = HeaderMap::new();
        for name in [
            X_FORWARDED_FOR,
            X_FORWARDED_HOST,
            X_FORWARDED_PROTO,
            X_REAL_IP,
            FORWARDED,
        ] {
            headers.insert(name, HeaderValue::from_static("forged"));
        }
        let host = HeaderValue::from_static("shop.test");
        let client = "1.2.3.4".parse().expect("an address");
        tell(
            &mut headers,
            Told {
                client: address_value(client),
                https: true,
                host: Some(&host),
                trusted: false,
            },
        );
        let said: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(said.len(), 3);
        assert!(
            said.iter().all(|(_, value)| *value != b"forged"),
            "{said:?}"
        );
    }
}
