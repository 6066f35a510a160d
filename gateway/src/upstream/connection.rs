//! An upstream connection as a request holds it: the whole of one, or one stream of a shared one.

use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use route_table::table::Connections;

use crate::balance::{Endpoint, Instant};
use crate::edge::RequestBody;
use crate::upstream::attempt::AttemptError;
use crate::upstream::http1::Http1;
use crate::upstream::http2::Stream;

/// What one request is sent on.
#[derive(Debug)]
pub(crate) enum Connection {
    /// HTTP/1.1: nobody else's until the answer has been read.
    Http1(Http1),
    /// HTTP/2: a stream among others. Dropping it gives its place back.
    Http2(Stream),
}

/// How sending a request on one connection went.
#[derive(Debug)]
pub(super) enum Sent {
    Answered(Response<Incoming>, Connection),
    /// The connection had served before and was closed meanwhile; nothing of the request was
    /// processed. Ordinary: try the next one.
    Stale(Box<Request<RequestBody>>),
    Failed(AttemptError),
}

impl Connection {
    pub(super) async fn exchange(
        self,
        endpoint: &Endpoint,
        request: Box<Request<RequestBody>>,
    ) -> Sent {
        match self {
            Self::Http1(connection) => connection.exchange(request).await,
            Self::Http2(stream) => stream.exchange(endpoint, request).await,
        }
    }
}

/// What kind of connection a request can do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Any,
    /// `Upgrade` on HTTP/1.1, or extended `CONNECT` where HTTP/2 is spoken and the endpoint offers it.
    WebSocket,
    /// gRPC exists in HTTP/2 alone.
    Http2,
}

impl Need {
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        match request.headers().contains_key(UPGRADE) {
            true => Self::WebSocket,
            false => Self::Any,
        }
    }
}

/// When a connection takes no more requests, whatever its state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    requests_max: u32,
    /// By age.
    ends: Instant,
    /// How long it may be idle.
    pub(super) idle_timeout: Duration,
}

impl Lifetime {
    pub(super) fn starting(now: Instant, config: &Connections) -> Self {
        Self {
            requests_max: config.requests_max.unwrap_or(u32::MAX),
            ends: config
                .age_max
                .map_or(Instant(u64::MAX), |age| now.after(age)),
            idle_timeout: config.idle_timeout,
        }
    }

    pub(super) fn is_over(&self, now: Instant, requests: u32) -> bool {
        requests >= self.requests_max || now >= self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(requests_max: Option<u32>, age_max: Option<Duration>) -> Lifetime {
        let config = Connections {
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            requests_max,
            age_max,
        };
        Lifetime::starting(Instant(1_000), &config)
    }

    #[test]
    fn a_connection_serves_as_many_requests_as_it_may() {
        let lifetime = lifetime(Some(2), None);
        assert!(!lifetime.is_over(Instant(u64::MAX - 1), 1));
        assert!(lifetime.is_over(Instant(1_000), 2));
    }

    #[test]
    fn a_connection_serves_as_long_as_it_may() {
        let lifetime = lifetime(None, Some(Duration::from_nanos(500)));
        assert!(!lifetime.is_over(Instant(1_499), 1_000_000));
        assert!(lifetime.is_over(Instant(1_500), 0));
    }
}
