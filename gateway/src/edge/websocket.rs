//! Requests that ask to leave HTTP for WebSocket: RFC 6455 on HTTP/1.1, RFC 8441 on HTTP/2.
//!
//! Whatever the client speaks, the upstream is asked in its own way: the handshake's key and its
//! answer exist on HTTP/1.1 only.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;

use crate::edge::hop_by_hop::lists;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What RFC 6455 has the server append to the key before it is hashed.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a client asks for WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `GET` with `Upgrade`; the answer is 101.
    Upgrade,
    /// Extended `CONNECT`; the answer is 200.
    Connect,
}

/// Whether the request asks for WebSocket, and how.
pub(crate) fn asked<B>(request: &Request<B>) -> Option<Asked> {
    let headers = request.headers();
    match *request.method() {
        Method::CONNECT if is_extended_connect(request) => Some(Asked::Connect),
        Method::GET if request.version() == Version::HTTP_11 => {
            let complete = lists(headers, UPGRADE, "websocket")
                && lists(headers, CONNECTION, "upgrade")
                && headers.contains_key(SEC_WEBSOCKET_KEY)
                // What follows the head must be WebSocket's, not a body.
                && !headers.contains_key(CONTENT_LENGTH)
                && !headers.contains_key(TRANSFER_ENCODING);
            complete.then_some(Asked::Upgrade)
        }
        _ => None,
    }
}

/// `CONNECT` with `:protocol` websocket, the only protocol that is carried.
pub(crate) fn is_extended_connect<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

/// Makes a cleaned request one that asks an HTTP/1.1 upstream to switch. Returns the answer that is
/// then expected. On its way to an HTTP/2 upstream it becomes one that [`connect`]s.
pub(crate) fn ask(method: &mut Method, headers: &mut HeaderMap) -> HeaderValue {
    *method = Method::GET;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
    let key = headers
        .entry(SEC_WEBSOCKET_KEY)
        .or_insert_with(|| header(STANDARD.encode(fastrand::u128(..).to_le_bytes())));
    accept(key)
}

/// Makes an HTTP/2 request of one that [`ask`]s. The key stays behind with what else belongs to
/// HTTP/1.1 alone (RFC 8441, section 5).
pub(crate) fn connect<B>(request: &mut Request<B>) {
    *request.method_mut() = Method::CONNECT;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY] {
        request.headers_mut().remove(name);
    }
    let websocket = Protocol::from_static("websocket");
    request.extensions_mut().insert(websocket);
}

/// The proof that a server has read the handshake.
fn accept(key: &HeaderValue) -> HeaderValue {
    let text = [key.as_bytes(), GUID.as_bytes()].concat();
    header(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text)))
}

fn header(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).expect("Base64 is ASCII")
}

/// Whether an upstream leaves HTTP with this answer to a request that [`ask`]s or [`connect`]s.
pub(crate) fn switches<B>(response: &Response<B>, asked: bool) -> bool {
    let status = response.status();
    status == StatusCode::SWITCHING_PROTOCOLS
        || asked && response.version() == Version::HTTP_2 && status.is_success()
}

/// Whether an upstream that switches has been asked to, and does it in proper form.
pub(crate) fn agreed<B>(response: &Response<B>, expected: &HeaderValue) -> bool {
    if response.version() == Version::HTTP_2 {
        return response.status() == StatusCode::OK;
    }
    let headers = response.headers();
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && headers.get(SEC_WEBSOCKET_ACCEPT) == Some(expected)
        && lists(headers, UPGRADE, "websocket")
}

/// Tells the client of the agreement in the way it has asked.
pub(crate) fn agree<B>(asked: Asked, accept: HeaderValue, response: &mut Response<B>) {
    // There is no body for it to be the length of (RFC 9110, section 8.6).
    response.headers_mut().remove(CONTENT_LENGTH);
    match asked {
        Asked::Upgrade => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, WEBSOCKET);
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        Asked::Connect => {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/chat");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn an_upgrade_needs_its_whole_handshake() {
        let (upgrade, connection) = (
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
        );
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let whole = request(&[upgrade, connection, key]);
        assert_eq!(asked(&whole), Some(Asked::Upgrade));
        for headers in [
            &[upgrade, connection][..],
            &[upgrade, key],
            &[connection, key],
            &[("upgrade", "h2c"), connection, key],
            &[upgrade, connection, key, ("content-length", "5")],
            &[upgrade, connection, key, ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(asked(&request(headers)), None, "{headers:?}");
        }
    }

    #[test]
    fn only_websocket_is_connected_to_over_http2() {
        for (protocol, expected) in [("websocket", Some(Asked::Connect)), ("connect-udp", None)] {
            let mut request = request(&[]);
            *request.method_mut() = Method::CONNECT;
            request
                .extensions_mut()
                .insert(Protocol::from_static(protocol));
            assert_eq!(asked(&request), expected, "{protocol}");
        }
    }

    #[test]
    fn the_answer_is_that_of_rfc_6455() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_upstream_that_has_not_read_the_key_has_not_agreed() {
        let (mut method, mut headers) = (Method::CONNECT, HeaderMap::new());
        let expected = ask(&mut method, &mut headers);
        assert_eq!(method, Method::GET);
        let answer = |accept: &str| {
            let response = Response::builder()
                .status(101)
                .header("upgrade", "websocket");
            let response = response.header("sec-websocket-accept", accept);
            response.body(()).expect("a response")
        };
        let right = expected.to_str().expect("ASCII");
        assert!(agreed(&answer(right), &expected));
        assert!(!agreed(&answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), &expected));
    }
}
