//! What a gRPC client is told: it reads no HTTP status and no problem document.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::respond::failure::X_GATEWAY_ERROR;
use crate::respond::{Failure, ResponseBody};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Turns a failure into a gRPC answer of trailers only.
pub(crate) fn refuse_grpc(failure: &Failure) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(code(failure)));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(failure.code()));
    headers.insert(X_GATEWAY_ERROR, HeaderValue::from_static(failure.code()));
    response
}

/// The status code of gRPC that says most nearly the same ("HTTP to gRPC Status Code Mapping", and
/// more exactly where we know more than a status).
fn code(failure: &Failure) -> u16 {
    match failure.status() {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => 12,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 13,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_in_grpcs_own_words() {
        for (failure, code) in [
            (Failure::NoRoute, "12"),
            (Failure::UpstreamTimeout, "4"),
            (Failure::UpstreamUnreachable, "14"),
            (Failure::CircuitOpen, "14"),
            (Failure::BodyTooLarge { limit_bytes: 1 }, "8"),
            (Failure::Internal, "13"),
        ] {
            let response = refuse_grpc(&failure);
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["grpc-status"], code, "{failure:?}");
            assert_eq!(response.headers()["grpc-message"], failure.code());
        }
    }
}
