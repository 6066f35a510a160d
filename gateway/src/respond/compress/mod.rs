//! Compresses answers on their way out.
//!
//! [`negotiate`] finds the coding that a client likes best, [`head`] says which answers are compressed and
//! what becomes of their headers, [`encoder`] does it, [`body`] piece by piece as the answer passes. It is the
//! last step of an answer: whatever keeps answers keeps them as their upstream gave them.

mod body;
mod encoder;
mod head;
mod negotiate;

#[cfg(test)]
mod tests;

use http::{Method, Response};
use route_table::table::{Compression, Encoding};

pub(crate) use body::Compressed;
pub(crate) use encoder::EncoderError;
pub(crate) use negotiate::choose;

use crate::respond::ResponseBody;
use crate::telemetry::Metrics;

/// Compresses an answer if its route wants it to be, its client likes `encoding`, and it is worth it.
pub(crate) fn compress(
    rules: &Compression,
    encoding: Option<Encoding>,
    method: &Method,
    metrics: &Metrics,
    response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    let length = head::length(&head.headers, &body, method);
    if !head::depends_on_encoding(rules, head.status, &mut head.headers, length) {
        return Response::from_parts(head, body);
    }
    let Some(encoding) = encoding else {
        return Response::from_parts(head, body);
    };
    if *method == Method::HEAD || head.status == http::StatusCode::NOT_MODIFIED {
        // As the answer to GET would say, or has said.
        head::encoded(&mut head.headers, head.status, encoding);
        return Response::from_parts(head, body);
    }
    // Too many at once: what is not compressed is as good an answer.
    let Some(count) = metrics.compressing(encoding) else {
        return Response::from_parts(head, body);
    };
    head::encoded(&mut head.headers, head.status, encoding);
    let compressed = Compressed::new(body, encoding, length, count);
    Response::from_parts(head, ResponseBody::compressed(compressed))
}
