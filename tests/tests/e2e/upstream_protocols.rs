//! What the gateway speaks to endpoints: HTTP/1.1, HTTP/2, TLS, Unix sockets; and how it keeps
//! connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tests::upstream::{Frames, Rude, Speaking, Spoken, read_head};
use tests::{Authority, Edit, Gateway, PATIENCE, Reply, ReplyExt as _, eventually, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::{GATEWAY, everything_to};

/// Answers with the request's version, `:authority` and `Host`, one a line.
fn witness() -> Router {
    Router::new().fallback(async |request: Request| {
        let host = request.headers().get("host");
        format!(
            "{:?}\n{}\n{}",
            request.version(),
            request.uri().authority().map_or("", |one| one.as_str()),
            host.map_or("", |host| host.to_str().unwrap()),
        )
    })
}

/// A table that sends everything to one endpoint, with `extra` in the upstream's row, and answers
/// `/fixed` itself.
fn table(url: &str, extra: &str) -> String {
    let fixed = "  - { match: { path: /fixed }, to: { respond: { status: 203, content_type: text/plain, body: fixed } } }\n";
    everything_to(url).replace("] }", &format!("], {extra} }}")) + fixed
}

/// What the upstream saw: version, `:authority`, `Host`.
#[track_caller]
fn seen(reply: Reply) -> [String; 3] {
    let body = reply.expect(200).body;
    let lines: Vec<_> = body.split('\n').map(str::to_owned).collect();
    lines.try_into().unwrap()
}

/// Certificates and keys of one test.
pub(crate) struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new(),
        };
        files.write("ca.pem", files.authority.pem());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A server's configuration with a certificate for `name`.
    pub(crate) fn server(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        self.certified(builder.with_no_client_auth(), name, protocols)
    }

    /// The same, for a server that wants a certificate of this authority from its clients.
    fn demanding_server(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
        self.certified(builder, name, protocols)
    }

    fn certified(
        &self,
        builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
        name: &str,
        protocols: &[&str],
    ) -> ServerConfig {
        let (certificate, key) = self.authority.issue(&[name]);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config
    }

    /// `tls:` of an upstream that trusts this authority.
    pub(crate) fn tls(&self, extra: &str) -> String {
        format!("tls: {{ ca: '{}'{extra} }}", self.path("ca.pem").display())
    }
}

#[tokio::test]
async fn without_tls_the_table_says_which_http_is_spoken() {
    for (spoken, protocol, version) in [
        (Spoken::Http1, "auto", "HTTP/1.1"),
        (Spoken::Http1, "http1", "HTTP/1.1"),
        (Spoken::HTTP2, "http2", "HTTP/2.0"),
    ] {
        let upstream = Speaking::plain(spoken, witness()).await;
        let table = table(&upstream.url(), &format!("protocol: {protocol}"));
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let [seen_version, authority, host] = seen(gateway.get("/").await);
        assert_eq!(seen_version, version, "{protocol}");
        let name = if host.is_empty() { authority } else { host };
        assert!(name.starts_with("localhost:"), "{protocol}: {name}");
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn over_http_2_the_endpoints_own_host_is_the_authority_where_the_table_says_so() {
    let upstream = Speaking::plain(Spoken::HTTP2, witness()).await;
    let table = table(&upstream.url(), "protocol: http2, preserve_host: false");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let [_, authority, host] = seen(gateway.get("/").await);
    assert_eq!(authority, upstream.addr().to_string());
    assert_eq!(host, "");
}

#[tokio::test]
async fn over_tls_the_endpoint_chooses_among_what_the_table_allows() {
    let files = Files::new();
    for (offered, protocol, version) in [
        (&["h2", "http/1.1"][..], "auto", "HTTP/2.0"),
        (&["h2", "http/1.1"], "http1", "HTTP/1.1"),
        (&["h2", "http/1.1"], "http2", "HTTP/2.0"),
        (&["http/1.1"], "auto", "HTTP/1.1"),
        (&[], "auto", "HTTP/1.1"),
    ] {
        let config = files.server("localhost", offered);
        let upstream = Speaking::tls(config, witness()).await;
        let extra = format!("{}, protocol: {protocol}", files.tls(""));
        let table = table(&upstream.https("localhost"), &extra);
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let client = gateway.client();
        for _ in 0..3 {
            let reply = client.get(gateway.https("/")).reply().await;
            assert_eq!(seen(reply)[0], version, "{protocol} of {offered:?}");
        }
        assert_eq!(upstream.connections(), 1, "{protocol} of {offered:?}");
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_agree_to_the_tables_protocol_is_unreachable() {
    let files = Files::new();
    let config = files.server("localhost", &["http/1.1"]);
    let secure = Speaking::tls(config, witness()).await;
    let plain = Speaking::plain(Spoken::Http1, witness()).await;
    for (url, tls) in [
        (secure.https("localhost"), format!(", {}", files.tls(""))),
        (plain.url(), String::new()),
    ] {
        let table = table(&url, &format!("protocol: http2{tls}"));
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let reply = gateway.get("/").await;
        reply.expect_problem(502, "upstream_unreachable");
        gateway.process.message("endpoint cannot be used").await;
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn an_endpoint_of_an_unknown_authority_gets_no_request() {
    let (files, other) = (Files::new(), Files::new());
    let upstream = Speaking::tls(other.server("localhost", &["h2"]), witness()).await;
    let table = table(&upstream.https("localhost"), &files.tls(""));
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let reply = gateway.get("/").await;
    reply.expect_problem(502, "upstream_unreachable");
    let line = gateway.process.message("endpoint cannot be used").await;
    let error = line["error"].as_str().unwrap();
    assert!(error.contains("invalid peer certificate"), "{line}");

    // The right authority is put in place of the wrong one.
    files.write("ca.pem", other.authority.pem());
    eventually("the new authority to be trusted", PATIENCE, async || {
        let reply = gateway.get("/").await;
        (reply.status == 200).then_some(())
    })
    .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_certificate_must_be_the_endpoints_own() {
    let files = Files::new();
    let upstream = Speaking::tls(files.server("orders.test", &["h2"]), witness()).await;
    let url = upstream.https("localhost");
    let wrong = Gateway::start(GATEWAY, &table(&url, &files.tls(""))).await;
    let reply = wrong.get("/").await;
    reply.expect_problem(502, "upstream_unreachable");

    let named = table(&url, &files.tls(", server_name: orders.test"));
    let named = Gateway::start(GATEWAY, &named).await;
    assert_eq!(seen(named.get("/").await)[0], "HTTP/2.0");
}

#[tokio::test]
async fn an_address_is_known_by_the_address_in_its_certificate() {
    let files = Files::new();
    let upstream = Speaking::tls(files.server("127.0.0.1", &["h2"]), witness()).await;
    let table = table(&upstream.https("127.0.0.1"), &files.tls(""));
    let gateway = Gateway::start(GATEWAY, &table).await;
    assert_eq!(seen(gateway.get("/").await)[0], "HTTP/2.0");
}

#[tokio::test]
async fn an_endpoint_that_wants_a_certificate_gets_the_upstreams() {
    let files = Files::new();
    let (certificate, key) = files.authority.issue(&["gateway.test"]);
    files.write("client.pem", &certificate);
    files.write("client.key", &key);
    let client = format!(
        ", cert: '{}', key: '{}'",
        files.path("client.pem").display(),
        files.path("client.key").display()
    );
    for protocol in ["http/1.1", "h2"] {
        let config = files.demanding_server("localhost", &[protocol]);
        let upstream = Speaking::tls(config, witness()).await;
        let url = upstream.https("localhost");
        let known = Gateway::start(GATEWAY, &table(&url, &files.tls(&client))).await;
        known.get("/").await.expect(200);

        let mut unknown = Gateway::start(GATEWAY, &table(&url, &files.tls(""))).await;
        let reply = unknown.get("/").await;
        reply.expect_problem(502, "upstream_unreachable");
        let refused = |line: &serde_json::Value| {
            let error = line["error"].as_str().unwrap_or_default();
            line["level"] == "WARN" && error.contains("CertificateRequired")
        };
        let what = "why the endpoint cannot be used";
        unknown.process.line_after(0, what, refused).await;
        unknown.assert_sound();
    }
}

#[tokio::test]
async fn tls_files_are_checked_with_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let row = "tls: { ca: nowhere.pem }";
    let text = Gateway::table(&table("https://localhost:1", row));
    std::fs::write(folder.path().join("routes.yaml"), text).unwrap();
    let output = std::process::Command::new(GATEWAY.0)
        .args(["check", "routes.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("routes.yaml:"), "{text}");
    assert!(text.contains("nowhere.pem: cannot be read"), "{text}");
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    for (name, spoken, protocol, version) in [
        ("one.sock", Spoken::Http1, "auto", "HTTP/1.1"),
        ("two.sock", Spoken::HTTP2, "http2", "HTTP/2.0"),
    ] {
        let path = folder.path().join(name);
        let _upstream = Speaking::unix(&path, spoken, witness());
        let url = format!("unix:{}", path.display());
        let table = table(&url, &format!("protocol: {protocol}"));
        let gateway = Gateway::start(GATEWAY, &table).await;
        assert_eq!(seen(gateway.get("/").await)[0], version);
    }
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let upstream = Speaking::plain(Spoken::Http1, witness()).await;
    let url = format!("http://localhost:{}", upstream.addr().port());
    let gateway = Gateway::start(GATEWAY, &everything_to(&url)).await;
    gateway.get("/").await.expect(200);
    let line = gateway.process.message("name looked up").await;
    assert_eq!(line["name"], "localhost");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_unreachable_and_the_log_says_so() {
    let gateway = Gateway::start(GATEWAY, &everything_to("http://nowhere.invalid:1")).await;
    let reply = gateway.get("/").await;
    reply.expect_problem(502, "upstream_unreachable");
    let line = gateway.process.message("name has no address").await;
    assert_eq!(line["name"], "nowhere.invalid");
}

/// Answers a body and trailers with the same body, and trailers that tell what came.
async fn grpc(request: Request) -> Response {
    let te = request.headers().get("te").cloned();
    let collected = request.into_body().collect().await.unwrap();
    let sent = collected.trailers().cloned().unwrap_or_default();
    let body = Full::new(collected.to_bytes()).with_trailers(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-te", te.unwrap());
        trailers.insert("x-sent", sent["x-checksum"].clone());
        Some(Ok(trailers))
    });
    Response::new(Body::new(body))
}

#[tokio::test]
async fn trailers_pass_both_ways_over_http_2() {
    let routes = Router::new().fallback(any(grpc));
    let upstream = Speaking::plain(Spoken::HTTP2, routes).await;
    let table = table(&upstream.url(), "protocol: http2");
    let mut gateway = Gateway::start(GATEWAY, &table).await;

    let stream = TcpStream::connect(gateway.address("internal"))
        .await
        .unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://shop.test/shop.Orders/Get")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, mut sending) = client.send_request(request, false).unwrap();
    sending
        .send_data(Bytes::from_static(b"message"), false)
        .unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "abc".parse().unwrap());
    sending.send_trailers(trailers).unwrap();

    let answer = within("an answer", PATIENCE, answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let data = body.data().await.unwrap().unwrap();
    assert_eq!(data, "message");
    while let Some(more) = body.data().await {
        assert_eq!(more.unwrap(), "");
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-te"], "trailers");
    assert_eq!(trailers["x-sent"], "abc");
    connection.abort();
    gateway.assert_sound();
}

#[tokio::test]
async fn what_is_wrong_with_a_clients_body_is_the_clients_fault_over_http_2_too() {
    let routes = Router::new().fallback(async |body: Bytes| body.len().to_string());
    let upstream = Speaking::plain(Spoken::HTTP2, routes).await;
    let small = table(&upstream.url(), "protocol: http2")
        .trim_end()
        .to_owned();
    let small = small.replace(
        "to: { upstream: only }",
        "to: { upstream: only }, body_limit: 1KiB",
    );
    let mut gateway = Gateway::start(GATEWAY, &small).await;
    for (chunk, status) in [
        ("5\r\nhello\r\n0\r\n\r\n".to_owned(), 200),
        (format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000)), 413),
        ("5\r\nhello\r\nnonsense\r\n".to_owned(), 400),
    ] {
        let mut raw = gateway.raw().await;
        let head = "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        raw.send(format!("{head}{chunk}").as_bytes()).await;
        let line = raw.status_line().await;
        assert!(line.starts_with(&format!("HTTP/1.1 {status}")), "{line}");
    }
    gateway.assert_sound();
}

/// Answers when `count` requests are there.
fn meeting(count: usize) -> Router {
    let barrier = Arc::new(Barrier::new(count));
    let meet = async move || {
        within("all requests at once", PATIENCE, barrier.wait()).await;
        "met"
    };
    Router::new().route("/", any(meet))
}

/// Sends `count` requests at once on one client connection.
async fn send_at_once(gateway: &Gateway, count: usize) {
    // Connected beforehand, so that it is one connection and all of them are one worker's.
    let client = gateway.client();
    client
        .get(gateway.https("/fixed"))
        .reply()
        .await
        .expect(203);
    let all: Vec<_> = (0..count)
        .map(|_| tokio::spawn(client.get(gateway.https("/")).reply()))
        .collect();
    for reply in all {
        reply.await.unwrap().expect(200);
    }
}

#[tokio::test]
async fn a_hundred_requests_share_one_connection() {
    let upstream = Speaking::plain(Spoken::HTTP2, meeting(100)).await;
    let table = table(&upstream.url(), "protocol: http2");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    send_at_once(&gateway, 100).await;
    assert_eq!(upstream.connections(), 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn no_connection_gets_more_requests_than_its_peer_bears() {
    let upstream = Speaking::plain(Spoken::Http2 { streams_max: 10 }, meeting(30)).await;
    let table = table(&upstream.url(), "protocol: http2");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    send_at_once(&gateway, 30).await;
    assert_eq!(upstream.connections(), 3);
    gateway.assert_sound();
}

#[tokio::test]
async fn over_tls_too_the_first_connection_is_waited_for() {
    let files = Files::new();
    let config = files.server("localhost", &["h2", "http/1.1"]);
    let upstream = Speaking::tls(config, meeting(50)).await;
    let table = table(&upstream.https("localhost"), &files.tls(""));
    let gateway = Gateway::start(GATEWAY, &table).await;
    send_at_once(&gateway, 50).await;
    assert_eq!(upstream.connections(), 1);
}

/// An HTTP/2 server whose connections are run by `script`, which is told which one it is, from 0.
async fn scripted<F>(script: impl Fn(Frames, usize) -> F + Send + Sync + 'static) -> Rude
where
    F: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    let connections = AtomicUsize::new(0);
    Rude::start(move |stream| {
        let nth = connections.fetch_add(1, Ordering::Relaxed);
        let script = Arc::clone(&script);
        async move {
            if let Some(frames) = Frames::accept(stream).await {
                script(frames, nth).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_that_a_goaway_leaves_out_is_sent_again_whatever_its_method() {
    for method in ["GET", "POST"] {
        let upstream = scripted(|mut frames, nth| async move {
            let mut answered = 0;
            while let Some(stream) = frames.request().await {
                if nth == 0 && answered == 1 {
                    frames.go_away(stream - 2).await;
                } else {
                    frames.answer(stream).await;
                    answered += 1;
                }
            }
        })
        .await;
        let table = table(&upstream.url(), "protocol: http2");
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let client = gateway.client();
        for path in ["/first", "/second"] {
            let request = client.request(method.parse().unwrap(), gateway.https(path));
            request.reply().await.expect(200);
        }
        assert_eq!(upstream.connections(), 2);
        // A connection that goes away is ordinary: it counts as no attempt.
        assert_eq!(gateway.access_line("/second").await["attempts"], 1);
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn connections_that_go_away_under_load_cost_no_get() {
    let upstream = scripted(|mut frames, _| async move {
        let mut answered = 0;
        while let Some(stream) = frames.request().await {
            if answered < 5 {
                frames.answer(stream).await;
                answered += 1;
            }
            if answered == 5 {
                frames.go_away(9).await;
            }
        }
    })
    .await;
    let table = table(&upstream.url(), "protocol: http2");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (client, url) = (client.clone(), gateway.https("/"));
            tokio::spawn(async move {
                for _ in 0..25 {
                    client.get(&url).reply().await.expect(200);
                }
            })
        })
        .collect();
    for one in load {
        one.await.unwrap();
    }
    assert!(upstream.connections() >= 40, "{}", upstream.connections());
    gateway.assert_sound();
}

/// `REFUSED_STREAM`: the request was not looked at.
const REFUSED: u32 = 7;

/// `INTERNAL_ERROR`: nobody knows what became of it.
const INTERNAL: u32 = 2;

#[tokio::test]
async fn a_refused_stream_is_asked_for_again_and_another_reset_only_where_that_is_safe() {
    for (code, method, status) in [
        (REFUSED, "GET", 200),
        (REFUSED, "POST", 200),
        (INTERNAL, "GET", 200),
        (INTERNAL, "POST", 502),
    ] {
        let upstream = scripted(move |mut frames, _| async move {
            while let Some(stream) = frames.request().await {
                match stream {
                    1 => frames.reset(stream, code).await,
                    _ => frames.answer(stream).await,
                }
            }
        })
        .await;
        let table = table(&upstream.url(), "protocol: http2");
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let request = gateway
            .client()
            .request(method.parse().unwrap(), gateway.https("/"));
        let reply = request.reply().await;
        assert_eq!(reply.status, status, "{method} {code}: {reply:?}");
        if status == 502 {
            reply.expect_problem(502, "upstream_reset");
        }
        assert_eq!(upstream.connections(), 1, "{method} {code}");
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn interim_answers_are_consumed_over_http_1_and_a_storm_of_them_is_no_answer() {
    for (count, status) in [(32, 200), (33, 502)] {
        let upstream = Rude::start(move |mut stream| async move {
            read_head(&mut stream).await;
            let storm = "HTTP/1.1 100 Continue\r\n\r\n".repeat(count);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            // The gateway may have had enough before the end.
            let _ = stream
                .write_all(format!("{storm}{answer}").as_bytes())
                .await;
            let _ = stream.read(&mut [0; 64]).await;
        })
        .await;
        let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        let reply = gateway.get("/").await;
        assert_eq!(reply.status, status, "{count}: {reply:?}");
        if status == 502 {
            reply.expect_problem(502, "upstream_malformed");
        }
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn an_endless_storm_of_interim_answers_ends_at_once() {
    let upstream = Rude::start(async |mut stream: TcpStream| {
        read_head(&mut stream).await;
        let line = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
        while stream.write_all(line).await.is_ok() {}
    })
    .await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let started = Instant::now();
    let reply = gateway.get("/").await;
    reply.expect_problem(502, "upstream_malformed");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    gateway.assert_sound();
}

#[tokio::test]
async fn interim_answers_are_consumed_over_http_2_and_a_storm_of_them_is_no_answer() {
    for (count, status) in [(32, 200), (40, 502)] {
        let upstream = scripted(move |mut frames, _| async move {
            while let Some(stream) = frames.request().await {
                for _ in 0..count {
                    frames.interim(stream).await;
                }
                frames.answer(stream).await;
            }
        })
        .await;
        let table = table(&upstream.url(), "protocol: http2");
        let mut gateway = Gateway::start(GATEWAY, &table).await;
        let reply = gateway.get("/").await;
        assert_eq!(reply.status, status, "{count}: {reply:?}");
        if status == 502 {
            reply.expect_problem(502, "upstream_malformed");
        }
        gateway.assert_sound();
    }
}

/// Answers every request on a connection, with `fields` in the head.
async fn keeping_alive(fields: &'static str) -> Rude {
    Rude::start(move |mut stream| async move {
        while !read_head(&mut stream).await.is_empty() {
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

async fn open_connections(gateway: &Gateway) -> f64 {
    let name = "gateway_upstream_connections";
    gateway.metric(name, &["upstream=\"only\""]).await
}

#[tokio::test]
async fn a_connection_is_given_up_a_second_before_its_peer_would() {
    let patient = keeping_alive("").await;
    let hasty = keeping_alive("Keep-Alive: timeout=2, max=100\r\n").await;
    let idle = "timeouts: { idle: 60s }";
    let patient = Gateway::start(GATEWAY, &table(&patient.url(), idle)).await;
    let hasty = Gateway::start(GATEWAY, &table(&hasty.url(), idle)).await;
    for gateway in [&patient, &hasty] {
        gateway.get("/").await.expect(200);
    }
    eventually(
        "the hasty peer's connection to be closed",
        PATIENCE,
        async || (open_connections(&hasty).await < 0.5).then_some(()),
    )
    .await;
    assert!((open_connections(&patient).await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn a_connection_serves_as_many_requests_as_the_table_says() {
    for (spoken, protocol) in [(Spoken::Http1, "http1"), (Spoken::HTTP2, "http2")] {
        let upstream = Speaking::plain(spoken, witness()).await;
        let extra = format!("protocol: {protocol}, connections: {{ max_requests: 2 }}");
        let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), &extra)).await;
        let client = gateway.client();
        for _ in 0..6 {
            client.get(gateway.https("/")).reply().await.expect(200);
        }
        assert_eq!(upstream.connections(), 3, "{protocol}");
    }
}

#[tokio::test]
async fn a_connection_takes_no_request_beyond_its_age() {
    for (spoken, protocol) in [(Spoken::Http1, "http1"), (Spoken::HTTP2, "http2")] {
        let upstream = Speaking::plain(spoken, witness()).await;
        let extra = format!("protocol: {protocol}, connections: {{ max_age: 300ms }}");
        let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), &extra)).await;
        let client = gateway.client();
        eventually("a second connection", PATIENCE, async || {
            client.get(gateway.https("/")).reply().await.expect(200);
            (upstream.connections() >= 2).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_loses_its_connections() {
    let (closed, mut is_closed) = tokio::sync::mpsc::channel(1);
    let old = Rude::start(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let rest = stream.read(&mut [0; 64]).await;
            let _ = closed.send(rest.unwrap_or(0)).await;
        }
    })
    .await;
    let new = keeping_alive("").await;
    let idle = "timeouts: { idle: 60s }";
    let mut gateway = Gateway::start(GATEWAY, &table(&old.url(), idle)).await;
    gateway.get("/").await.expect(200);
    let edited = Gateway::table(&table(&new.url(), idle));
    gateway.edit(Edit::Rename, &edited).await;
    let rest = within("the old connection's end", PATIENCE, is_closed.recv()).await;
    assert_eq!(
        rest,
        Some(0),
        "it is closed, and nothing more is sent on it"
    );
    gateway.assert_sound();
}
