//! The PROXY protocol, version 2: a balancer in front of us says who the client is before anything else.
//!
//! The specification is HAProxy's `proxy-protocol.txt`, section 2.2. Exactly the header is read, so that
//! whatever comes next, TLS or HTTP, starts at the next byte. Type-length-values behind the addresses
//! are skipped.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::defaults::PROXY_HEADER_BYTES_MAX;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length of the rest.
const FIXED_BYTES: usize = 16;

/// Two IPv6 addresses and two ports: the longest addresses that we read.
const ADDRESSES_BYTES_MAX: usize = 36;

/// Bytes that are skipped at once.
const SKIPPED_BYTES: usize = 128;

/// Why a connection does not begin as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyHeaderError {
    /// Not a byte: balancers look in this way whether anybody listens.
    #[error("the connection was closed before its first byte")]
    Closed,
    #[error("the connection was closed within its PROXY header")]
    Truncated,
    #[error("the connection does not begin with a PROXY header, version 2")]
    Missing,
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What is known from the first sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fixed {
    source: Source,
    rest_bytes: usize,
}

/// Where the client's address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The balancer speaks for itself, or does not know: whoever connected is the client.
    Peer,
    Ipv4,
    Ipv6,
}

impl Source {
    fn addresses_bytes(self) -> usize {
        match self {
            Self::Peer => 0,
            Self::Ipv4 => 12,
            Self::Ipv6 => 36,
        }
    }
}

/// Reads the header off a connection. Returns the client's address, `None` when it is the peer's own.
///
/// # Errors
/// [`ProxyHeaderError`]; the connection is of no further use.
pub(super) async fn read_header<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let fixed = parse_fixed(&read_fixed(stream).await?)?;
    let mut addresses = [0_u8; ADDRESSES_BYTES_MAX];
    let wanted = fixed.source.addresses_bytes();
    let (known, _) = addresses.split_at_mut(wanted.min(ADDRESSES_BYTES_MAX));
    read_exact(stream, known).await?;
    skip(stream, fixed.rest_bytes - wanted).await?;
    Ok(parse_source(fixed.source, &addresses))
}

/// Reads the fixed part, and gives up at the first byte that does not belong there: whoever speaks
/// something else may wait for our answer.
async fn read_fixed<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<[u8; FIXED_BYTES], ProxyHeaderError> {
    let mut fixed = [0_u8; FIXED_BYTES];
    let mut filled = 0;
    while filled < FIXED_BYTES {
        let (seen, free) = fixed.split_at_mut(filled);
        let read = stream.read(free).await?;
        if read == 0 {
            return Err(match seen.len() {
                0 => ProxyHeaderError::Closed,
                _ => ProxyHeaderError::Truncated,
            });
        }
        filled += read;
        let expected = SIGNATURE.iter().zip(fixed.iter().take(filled));
        if expected
            .into_iter()
            .any(|(expected, seen)| expected != seen)
        {
            return Err(ProxyHeaderError::Missing);
        }
    }
    Ok(fixed)
}

fn parse_fixed(fixed: &[u8; FIXED_BYTES]) -> Result<Fixed, ProxyHeaderError> {
    let [.., version_command, family, high, low] = *fixed;
    let rest_bytes = usize::from(u16::from_be_bytes([high, low]));
    if rest_bytes > PROXY_HEADER_BYTES_MAX {
        return Err(ProxyHeaderError::Malformed("it is too long"));
    }
    let source = match (version_command, family) {
        // LOCAL: whatever the family, nothing of it counts.
        (0x20, _) | (0x21, 0x00) => Source::Peer,
        (0x21, 0x11) => Source::Ipv4,
        (0x21, 0x21) => Source::Ipv6,
        // A Unix socket of the balancer's has no address that could be a client's.
        (0x21, 0x31) => Source::Peer,
        (0x21, _) => return Err(ProxyHeaderError::Malformed("not a family of TCP")),
        (0x22..=0x2f, _) => return Err(ProxyHeaderError::Malformed("an unknown command")),
        _ => return Err(ProxyHeaderError::Malformed("not version 2")),
    };
    if rest_bytes < source.addresses_bytes() {
        return Err(ProxyHeaderError::Malformed("the addresses do not fit"));
    }
    Ok(Fixed { source, rest_bytes })
}

/// The source address; the destination behind it is ours and of no interest.
fn parse_source(source: Source, addresses: &[u8; ADDRESSES_BYTES_MAX]) -> Option<SocketAddr> {
    match source {
        Source::Peer => None,
        Source::Ipv4 => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = *addresses;
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)))
        }
        Source::Ipv6 => {
            let (ip, rest) = addresses.split_first_chunk::<16>()?;
            let [high, low] = *rest.get(16..)?.first_chunk()?;
            let port = u16::from_be_bytes([high, low]);
            Some(SocketAddr::from((Ipv6Addr::from(*ip), port)))
        }
    }
}

async fn skip<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut count: usize,
) -> Result<(), ProxyHeaderError> {
    let mut ignored = [0_u8; SKIPPED_BYTES];
    while count > 0 {
        let (now, _) = ignored.split_at_mut(count.min(SKIPPED_BYTES));
        read_exact(stream, now).await?;
        count -= now.len();
    }
    Ok(())
}

async fn read_exact<S: AsyncRead + Unpin>(
    stream: &mut S,
    bytes: &mut [u8],
) -> Result<(), ProxyHeaderError> {
    match stream.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ProxyHeaderError::Truncated)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 0x01, 0x01, 0xbb];

    fn tcp6() -> Vec<u8> {
        let client: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        let ours: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        [
            &client.octets()[..],
            &ours.octets(),
            &[0xc0, 0x01, 0x01, 0xbb],
        ]
        .concat()
    }

    fn header(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[version_command, family], &length, rest].concat()
    }

    async fn read(mut bytes: &[u8]) -> (Result<Option<SocketAddr>, ProxyHeaderError>, usize) {
        let before = bytes.len();
        let outcome = read_header(&mut bytes).await;
        (outcome, before - bytes.len())
    }

    fn address(text: &str) -> Option<SocketAddr> {
        Some(text.parse().expect("an address"))
    }

    #[tokio::test]
    async fn the_header_names_the_client_and_not_a_byte_more_is_read() {
        // A type-length-value: ALPN, `h2`.
        let tlv = [0x01, 0x00, 0x02, b'h', b'2'];
        for (what, header, client) in [
            (
                "TCP4",
                header(0x21, 0x11, &TCP4),
                address("192.0.2.7:49153"),
            ),
            (
                "TCP6",
                header(0x21, 0x21, &tcp6()),
                address("[2001:db8::7]:49153"),
            ),
            (
                "TCP4 and more",
                header(0x21, 0x11, &[&TCP4[..], &tlv].concat()),
                address("192.0.2.7:49153"),
            ),
            (
                "TCP6 and much more",
                header(0x21, 0x21, &[&tcp6()[..], &[0xea; 1000]].concat()),
                address("[2001:db8::7]:49153"),
            ),
            ("UNSPEC", header(0x21, 0x00, &[]), None),
            ("UNSPEC with something", header(0x21, 0x00, &[9; 40]), None),
            ("LOCAL", header(0x20, 0x00, &[]), None),
            ("LOCAL with addresses", header(0x20, 0x11, &TCP4), None),
            ("a Unix socket", header(0x21, 0x31, &[b'/'; 216]), None),
        ] {
            let whole = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let (outcome, read) = read(&whole).await;
            assert_eq!(outcome.expect(what), client, "{what}");
            assert_eq!(read, header.len(), "{what}");
        }
    }

    #[tokio::test]
    async fn a_header_cut_off_anywhere_is_truncated() {
        let tlv = [0x01, 0x00, 0x02, b'h', b'2'];
        for header in [
            header(0x21, 0x11, &[&TCP4[..], &tlv].concat()),
            header(0x21, 0x21, &tcp6()),
            header(0x20, 0x00, &[7; 20]),
        ] {
            for length in 0..header.len() {
                let (outcome, _) = read(&header[..length]).await;
                match (length, outcome) {
                    (0, Err(ProxyHeaderError::Closed)) => {}
                    (1.., Err(ProxyHeaderError::Truncated)) => {}
                    (_, other) => panic!("{length} bytes: {other:?}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused_at_its_first_wrong_byte() {
        for (bytes, read_bytes) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 16),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 49153 443\r\n", 16),
            (b"hi", 2),
            (&[0x16, 0x03, 0x01], 3),
        ] {
            let (outcome, read) = read(bytes).await;
            assert!(
                matches!(outcome, Err(ProxyHeaderError::Missing)),
                "{bytes:?}"
            );
            assert_eq!(read, read_bytes);
        }
    }

    #[tokio::test]
    async fn what_the_specification_does_not_allow_is_malformed() {
        for (what, header) in [
            ("version 1", header(0x11, 0x11, &TCP4)),
            ("version 3", header(0x31, 0x11, &TCP4)),
            ("an unknown command", header(0x22, 0x11, &TCP4)),
            ("UDP", header(0x21, 0x12, &TCP4)),
            ("an unknown family", header(0x21, 0x41, &TCP4)),
            (
                "addresses that are too short",
                header(0x21, 0x11, &TCP4[..11]),
            ),
            ("IPv6 in the space of IPv4", header(0x21, 0x21, &TCP4)),
            (
                "endless values",
                header(0x21, 0x11, &[0; PROXY_HEADER_BYTES_MAX + 1]),
            ),
        ] {
            let (outcome, _) = read(&header).await;
            let malformed = matches!(outcome, Err(ProxyHeaderError::Malformed(_)));
            assert!(malformed, "{what}: {outcome:?}");
        }
    }
}
