//! A balancer in front of the gateway says who the client is.

use std::net::SocketAddr;

use tests::frames::{Frames, Outcome};
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, Raw, ReplyExt as _, eventually};

use crate::{GATEWAY, everything_to};

const LISTENERS: &str = r#"version: 1
listeners:
  - name: edge
    bind: "127.0.0.1:0"
    tls: { cert: edge.pem, key: edge.key }
    proxy_protocol: true
  - name: plain
    bind: "127.0.0.1:0"
    proxy_protocol: true
    per_ip_limit: { rate: 1/h, burst: 2 }
    timeouts: { header: 300ms }
  - { name: direct, bind: "127.0.0.1:0" }
admin: { bind: "127.0.0.1:0" }
"#;

const REQUEST: &[u8] = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn start(upstream: &Fake) -> Gateway {
    let table = format!("{LISTENERS}{}", everything_to(&upstream.url()));
    Gateway::start_table(GATEWAY, &table, &[]).await
}

/// A version 2 header for a client, with a value behind the addresses.
fn header(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().unwrap();
    let (family, mut addresses) = match client {
        SocketAddr::V4(addr) => (0x11, [addr.ip().octets(), [10, 0, 0, 1]].concat()),
        SocketAddr::V6(addr) => (0x21, [addr.ip().octets(), [0; 16]].concat()),
    };
    addresses.extend(client.port().to_be_bytes());
    addresses.extend(443_u16.to_be_bytes());
    addresses.extend([0x01, 0x00, 0x02, b'h', b'2']);
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n".as_slice(),
        &[0x21, family],
        &length,
        &addresses,
    ]
    .concat()
}

async fn answer(mut raw: Raw, bytes: &[u8]) -> String {
    raw.send(bytes).await;
    raw.read_to_end().await
}

#[tokio::test]
async fn the_client_is_whom_the_header_names_in_log_and_forwarded_fields() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for (client, ip) in [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
    ] {
        let mark = gateway.process.mark();
        let raw = gateway.raw_tls_behind(&header(client), b"http/1.1").await;
        let answer = answer(raw, REQUEST).await;
        let forwarded = format!(r#""x-forwarded-for":"{ip}""#);
        assert!(answer.contains(&forwarded), "{answer}");
        let is_it = |line: &serde_json::Value| line["path"] == "/who" && line["client"] == ip;
        gateway
            .process
            .line_after(mark, "the client's address", is_it)
            .await;
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn http_2_comes_behind_the_header_too_with_and_without_tls() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let mut plain = gateway.raw_to("plain").await;
    plain.send(&header("192.0.2.7:1")).await;
    let tls = gateway.raw_tls_behind(&header("192.0.2.8:1"), b"h2").await;
    for raw in [plain, tls] {
        let mut frames = Frames::over(raw).await;
        frames.headers(1, &crate::h2_abuse::GET, true).await;
        assert_eq!(frames.outcome(1).await, Outcome::Answer(200));
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn limits_count_the_clients_behind_one_balancer_apart() {
    let upstream = Fake::echo("only").await;
    let gateway = start(&upstream).await;
    let mut statuses = Vec::new();
    for client in ["192.0.2.7:1", "192.0.2.7:2", "192.0.2.7:3", "192.0.2.8:1"] {
        let bytes = [&header(client), REQUEST].concat();
        let answer = answer(gateway.raw_to("plain").await, &bytes).await;
        statuses.push(answer.split(' ').nth(1).unwrap_or_default().to_owned());
    }
    assert_eq!(statuses, ["200", "200", "429", "200"]);
}

#[tokio::test]
async fn whoever_connects_without_a_header_is_closed_and_counted() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let whole = header("192.0.2.7:1");
    let mut wrong_version = whole.clone();
    wrong_version[12] = 0x11;
    for (bytes, kind) in [
        (REQUEST, "proxy_header_missing"),
        (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 443\r\n",
            "proxy_header_missing",
        ),
        (&wrong_version, "proxy_header_malformed"),
        // Less than a header, and then silence.
        (&whole[..20], "proxy_header_timeout"),
        (b"", "proxy_header_timeout"),
    ] {
        let label = format!("kind=\"{kind}\"");
        let count = async || {
            gateway
                .metric("gateway_connection_errors_total", &[&label])
                .await
        };
        let before = count().await;
        let answer = answer(gateway.raw_to("plain").await, bytes).await;
        assert_eq!(answer, "", "{kind}");
        eventually(kind, PATIENCE, async || {
            (count().await > before).then_some(())
        })
        .await;
    }
    assert_eq!(upstream.requests(), 0);
    let url = gateway.http("direct", "/");
    let direct = tests::plain_client().get(url).reply().await.expect(200);
    assert_eq!(direct.json()["headers"]["x-forwarded-for"], "127.0.0.1");
    gateway.assert_sound();
}
