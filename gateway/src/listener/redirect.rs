//! Plain HTTP goes to HTTPS.

use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode, Uri};
use route_table::table::ListenerKind;

use crate::edge::ConnectionInfo;
use crate::respond::ResponseBody;

/// The answer of a redirecting listener, `308` so that method and body are kept; `None` on any other
/// listener.
pub(crate) fn to_https(
    connection: &ConnectionInfo,
    host: &str,
    uri: &Uri,
) -> Option<Response<ResponseBody>> {
    let ListenerKind::RedirectToHttps { port } = connection.kind else {
        return None;
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let port = if port == 443 {
        String::new()
    } else {
        format!(":{port}")
    };
    let target = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let mut response = Response::new(ResponseBody::empty());
    match HeaderValue::from_str(&format!("https://{host}{port}{target}")) {
        Ok(location) => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use route_table::table::ListenerTimeouts;

    use super::*;

    #[track_caller]
    fn location(kind: ListenerKind, host: &str, uri: &str) -> Option<String> {
        let connection = ConnectionInfo {
            listener: "redirect".into(),
            kind,
            peer: "127.0.0.1:1".parse().expect("an address"),
            peer_value: HeaderValue::from_static("127.0.0.1"),
            client_certificate: None,
            https: false,
            timeouts: ListenerTimeouts {
                header: Duration::from_secs(10),
                idle: Duration::from_secs(75),
                body: Duration::from_secs(60),
            },
        };
        let response = to_https(&connection, host, &uri.parse().expect("a URI"))?;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        Some(
            response.headers()[LOCATION]
                .to_str()
                .expect("ASCII")
                .to_owned(),
        )
    }

    #[test]
    fn host_path_and_query_are_kept() {
        let to = |port| ListenerKind::RedirectToHttps { port };
        for (port, host, uri, expected) in [
            (443, "shop.test", "/a?b=c", "https://shop.test/a?b=c"),
            (8443, "localhost", "/", "https://localhost:8443/"),
            (8443, "::1", "/x", "https://[::1]:8443/x"),
        ] {
            assert_eq!(location(to(port), host, uri).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_edge_listener_redirects_nothing() {
        assert_eq!(location(ListenerKind::Edge, "shop.test", "/"), None);
    }
}
