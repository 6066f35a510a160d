//! A server that leaves HTTP and sends back every byte.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::upstream::Rude;
use crate::upstream::rude::read_head;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Agrees to every handshake and echoes what follows. A request without one is answered with `426`.
pub async fn websocket_echo() -> Rude {
    Rude::start(answer_handshake).await
}

/// The same on one connection that somebody else has accepted.
pub async fn answer_handshake(mut connection: TcpStream) {
    let head = read_head(&mut connection).await;
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    };
    let (upgrade, key) = (field("upgrade"), field("sec-websocket-key"));
    let Some(key) = key.filter(|_| upgrade.as_deref() == Some("websocket")) else {
        let refusal = b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n";
        let _ = connection.write_all(refusal).await;
        return;
    };
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-protocol: chat\r\nsec-websocket-accept: {}\r\n\r\n",
        STANDARD.encode(accept)
    );
    let _ = connection.write_all(answer.as_bytes()).await;
    let mut buffer = [0; 4096];
    while let Ok(read) = connection.read(&mut buffer).await {
        if read == 0 || connection.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

/// The same over HTTP/2, where clients ask by extended `CONNECT` (RFC 8441). What is no such request, or one
/// for `/refused`, is answered with `426`.
pub fn websocket_over_http2() -> Router {
    Router::new().fallback(async |mut request: Request| {
        let protocol = request.extensions().get::<Protocol>();
        let asks = protocol.is_some_and(|protocol| protocol.as_str() == "websocket");
        let versioned = request.headers().contains_key("sec-websocket-version");
        if !asks
            || !versioned
            || request.headers().contains_key("sec-websocket-key")
            || request.uri().path() == "/refused"
        {
            return StatusCode::UPGRADE_REQUIRED.into_response();
        }
        tokio::spawn(async move {
            let Ok(upgraded) = hyper::upgrade::on(&mut request).await else {
                return;
            };
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.shutdown().await;
        });
        [("sec-websocket-protocol", "chat")].into_response()
    })
}
