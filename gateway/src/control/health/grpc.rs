//! `grpc.health.v1.Health/Check`, the one call that gRPC services answer about their health.
//!
//! Its two messages are a text and a number, so that they are written and read here rather than by a
//! protobuf library: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::control::health::check::{AGENT, CheckFailed};
use crate::upstream::Probe;

const PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes of an answer: it has two, or a few more by what a later version may add.
const ANSWER_BYTES_MAX: usize = 1024;

/// `SERVING` of `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// Why an answer is none that says `SERVING`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrpcFailure {
    #[error("status {}", .0.as_u16())]
    Http(StatusCode),
    #[error("gRPC status {0}")]
    Status(String),
    #[error("gRPC health is {}", serving_status(*.0))]
    NotServing(u64),
    #[error("the answer is no gRPC health")]
    Garbage,
}

/// Asks for the health of a service, or of the whole server by an empty name.
///
/// # Errors
/// [`CheckFailed`] unless the answer is `SERVING`.
pub(super) async fn check(probe: Probe<'_>, service: &str) -> Result<(), CheckFailed> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .header(USER_AGENT, AGENT)
        .body(Full::new(question(service)))
        .map_err(|_| CheckFailed::Path)?;
    let mut answered = probe.send(request, true).await?;
    let response = &mut answered.response;
    if response.status() != StatusCode::OK {
        return Err(GrpcFailure::Http(response.status()).into());
    }
    // An answer without a message has its status where the trailers would come.
    read_status(response.headers(), false)?;
    let body = Limited::new(response.body_mut(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(|_| GrpcFailure::Garbage)?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    read_status(&trailers, true)?;
    match serving(body.to_bytes()).ok_or(GrpcFailure::Garbage)? {
        SERVING => Ok(()),
        status => Err(GrpcFailure::NotServing(status).into()),
    }
}

/// `HealthCheckRequest { string service = 1; }` with gRPC's five bytes before it.
fn question(service: &str) -> Bytes {
    let mut message = Vec::with_capacity(service.len() + 3);
    if !service.is_empty() {
        message.push(0x0a);
        write_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.append(&mut message);
    framed.into()
}

/// `status` of `HealthCheckResponse { ServingStatus status = 1; }`, which is 0 when it is left out.
fn serving(mut framed: Bytes) -> Option<u64> {
    let compressed = framed.try_get_u8().ok()? != 0;
    let length = framed.try_get_u32().ok()?;
    if compressed || usize::try_from(length).ok()? != framed.remaining() {
        return None;
    }
    let mut status = 0;
    while framed.has_remaining() {
        let tag = read_varint(&mut framed)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = read_varint(&mut framed)?,
            // Fields that later versions add are passed over.
            (_, 0) => drop(read_varint(&mut framed)?),
            (_, 1) => skip(&mut framed, 8)?,
            (_, 2) => {
                let length = read_varint(&mut framed)?;
                skip(&mut framed, length)?;
            }
            (_, 5) => skip(&mut framed, 4)?,
            _ => return None,
        }
    }
    Some(status)
}

fn skip(bytes: &mut Bytes, count: u64) -> Option<()> {
    let count = usize::try_from(count).ok()?;
    if count > bytes.remaining() {
        return None;
    }
    bytes.advance(count);
    Some(())
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn read_varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// `grpc-status` must be 0, and must be there where it is `required`.
fn read_status(headers: &HeaderMap, required: bool) -> Result<(), GrpcFailure> {
    match headers.get("grpc-status").map(HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        Some(status) => {
            let status = String::from_utf8_lossy(status).chars().take(10).collect();
            Err(GrpcFailure::Status(status))
        }
        None if required => Err(GrpcFailure::Garbage),
        None => Ok(()),
    }
}

fn serving_status(status: u64) -> &'static str {
    match status {
        0 => "UNKNOWN",
        1 => "SERVING",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "of a status that is not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_framed_and_names_the_service() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "s".repeat(300);
        assert_eq!(question(&long)[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn the_answer_is_read_with_what_later_versions_may_add() {
        for (message, status) in [
            (&[][..], 0),
            (&[0x08, 1], 1),
            (&[0x08, 2], 2),
            (&[0x12, 1, b'x', 0x08, 1], 1),
            (&[0x08, 1, 0x18, 0x96, 0x01], 1),
            (
                &[0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2d, 0, 0, 0, 0, 0x08, 1],
                1,
            ),
        ] {
            let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).expect("short")];
            framed.extend_from_slice(message);
            assert_eq!(serving(framed.into()), Some(status), "{message:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_found_out() {
        for garbage in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 0x08, 1],
            &[0, 0, 0, 0, 3, 0x08, 1],
            &[0, 0, 0, 0, 1, 0x08],
            &[0, 0, 0, 0, 2, 0x12, 9],
            &[0, 0, 0, 0, 2, 0x0b, 1],
            &[
                0, 0, 0, 0, 11, 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
            ],
        ] {
            let answer = Bytes::copy_from_slice(garbage);
            assert_eq!(serving(answer), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_status_is_zero_or_the_reason() {
        let headers = |value| HeaderMap::from_iter([("grpc-status".parse().unwrap(), value)]);
        let status = |value| headers(HeaderValue::from_static(value));
        assert_eq!(read_status(&status("0"), true), Ok(()));
        let failure = read_status(&status("12"), true).expect_err("not 0");
        assert_eq!(failure.to_string(), "gRPC status 12");
        assert_eq!(
            read_status(&HeaderMap::new(), true),
            Err(GrpcFailure::Garbage)
        );
    }
}
