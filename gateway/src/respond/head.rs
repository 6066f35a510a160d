//! Answers to HEAD: all headers, no body (RFC 9110, section 9.3.2).

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::Body as _;

use crate::respond::ResponseBody;

/// Takes the body off and leaves its length. Over HTTP/2 nobody else does it.
pub(crate) fn without_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    if response.body().is_end_stream() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        let length = HeaderValue::from(length);
        head.headers.insert(CONTENT_LENGTH, length);
    }
    Response::from_parts(head, ResponseBody::empty())
}
