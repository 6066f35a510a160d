//! An upstream's answer with more fields than anybody needs, over HTTP/1.1 and HTTP/2 alike.

use std::fmt::Write as _;

use tests::upstream::{Frames, Node, Rude, read_head};
use tests::{Gateway, ReplyExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::{GATEWAY, everything_to};

/// So many fields an answer may have.
const FIELDS_MAX: usize = 100;

/// More would be beyond the bytes that fields may take, 33 and a few for each of these.
const TINY: usize = 3_500;

/// Fields `a: b` in HPACK: the first goes to the dynamic table, the others are an octet each.
fn tiny(count: usize) -> Vec<u8> {
    let mut block = b"\x40\x01a\x01b".to_vec();
    block.resize(block.len() + count - 1, 0x80 | 62);
    block
}

/// Answers with as many fields as the path says, and with trailers if it says so.
async fn over_http2() -> Rude {
    Rude::start(async |stream: TcpStream| {
        let Some(mut frames) = Frames::accept(stream).await else {
            return;
        };
        let counts = [FIELDS_MAX, FIELDS_MAX + 1, TINY, 1];
        for count in counts {
            let Some(stream) = frames.request().await else {
                return;
            };
            let block = [&[0x88][..], &tiny(count)].concat();
            frames.block(stream, &block, true).await;
        }
    })
    .await
}

fn over_http2_to(url: &str) -> String {
    everything_to(url).replace("] }", "], protocol: http2 }")
}

#[tokio::test]
async fn an_http2_answer_with_too_many_fields_is_malformed_and_the_next_is_served() {
    let upstream = over_http2().await;
    let mut gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    // One client connection: one worker, and its one connection to the upstream.
    let client = gateway.client();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let reply = client.get(gateway.https("/")).send().await.unwrap();
        let reason = reply.headers().get("x-gateway-error");
        let reason = reason.map(|reason| reason.to_str().unwrap().to_owned());
        statuses.push((reply.status().as_u16(), reason));
    }
    let malformed = (502, Some("upstream_malformed".to_owned()));
    assert_eq!(
        statuses,
        [(200, None), malformed.clone(), malformed, (200, None)]
    );
    assert_eq!(upstream.connections(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn an_http1_answer_with_too_many_fields_is_malformed() {
    let upstream = Rude::start(async |mut stream: TcpStream| {
        let head = read_head(&mut stream).await;
        let count = if head.starts_with("GET /max ") {
            FIELDS_MAX
        } else {
            FIELDS_MAX + 1
        };
        let mut answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n".to_owned();
        for nth in 1..count {
            write!(answer, "a{nth}: b\r\n").unwrap();
        }
        answer += "\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    gateway.get("/max").await.expect(200);
    let reply = gateway.get("/more").await;
    reply.expect_problem(502, "upstream_malformed");
    gateway.assert_sound();
}

/// A client that makes an endpoint answer too much must not be able to take it out.
#[tokio::test]
async fn answers_that_are_too_large_eject_nobody_and_are_told_to_the_operator() {
    let over_http1 = Rude::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        let fields = "a: b\r\n".repeat(FIELDS_MAX + 1);
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let over_http2 = Rude::start(async |stream: TcpStream| {
        let Some(mut frames) = Frames::accept(stream).await else {
            return;
        };
        for count in [FIELDS_MAX + 1, TINY].repeat(20) {
            let Some(stream) = frames.request().await else {
                return;
            };
            let block = [&[0x88][..], &tiny(count)].concat();
            frames.block(stream, &block, true).await;
        }
    })
    .await;
    let well = Node::start("well").await;
    for (url, extra) in [
        (over_http1.url(), ""),
        (over_http2.url(), ", protocol: http2"),
    ] {
        // The second is there so that the first could be ejected, and is asked when it was.
        let table = format!(
            r#"upstreams:
  pool:
    endpoints: [{{ url: "{url}" }}, {{ url: "{}", priority: 1 }}]{}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: pool }} }}
"#,
            well.url(),
            extra.replace(", ", "\n    "),
        );
        let gateway = Gateway::start(GATEWAY, &table).await;
        let client = gateway.client();
        for _ in 0..12 {
            let reply = client.get(gateway.https("/")).reply().await;
            reply.expect_problem(502, "upstream_malformed");
        }
        let malformed = ["outcome=\"malformed\""];
        let counted = gateway
            .metric("gateway_upstream_requests_total", &malformed)
            .await;
        assert!((counted - 12.0).abs() < 0.1, "{counted}");
        let line = gateway.process.message("endpoint cannot be used").await;
        let why = line["error"].as_str().unwrap();
        assert!(why.starts_with("an answer"), "{why}");
    }
}

#[tokio::test]
async fn an_http2_answer_that_ends_with_too_many_trailers_is_broken_off() {
    let upstream = Rude::start(async |stream: TcpStream| {
        let Some(mut frames) = Frames::accept(stream).await else {
            return;
        };
        for count in [FIELDS_MAX, TINY] {
            let Some(stream) = frames.request().await else {
                return;
            };
            frames.block(stream, &[0x88], false).await;
            frames.data(stream, b"hello", false).await;
            frames.block(stream, &tiny(count), true).await;
        }
    })
    .await;
    let mut gateway = Gateway::start(GATEWAY, &over_http2_to(&upstream.url())).await;
    let client = gateway.client();
    let well = client.get(gateway.https("/well")).send().await.unwrap();
    assert_eq!(well.bytes().await.unwrap(), "hello");
    // The reset may overtake the head.
    if let Ok(broken) = client.get(gateway.https("/broken")).send().await {
        assert!(broken.bytes().await.is_err());
    }
    let line = gateway.access_line("/broken").await;
    assert_eq!(line["failure"], "upstream_body_broken");
    gateway.assert_sound();
}
