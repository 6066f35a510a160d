//! The global tower stack: what holds for every request, whatever its route.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use http::{HeaderName, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use pin_project_lite::pin_project;
use telemetry::trace::TraceContext;
use tower::{Layer, Service, ServiceBuilder};

use crate::edge::request_id::{self, X_REQUEST_ID};
use crate::edge::{ConnectionInfo, Exchange};
use crate::listener::{Activity, Answering};
use crate::pipeline::Pipeline;
use crate::respond::{Failure, ResponseBody, refuse};
use crate::state::GatewayState;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A boxed answer: the one allocation for a future on the request's path.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What every service of the stack ends in.
pub(crate) type Outcome = Result<Response<ResponseBody>, Infallible>;

/// A request with the record that goes with it.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) request: Request<Incoming>,
    pub(crate) exchange: Box<Exchange>,
}

/// What answers a connection's requests.
pub(crate) type Stack = CatchPanic<Identify<Pipeline>>;

/// Puts the stack together for one connection, outermost layer first.
pub(crate) fn stack(
    pipeline: Pipeline,
    connection: Arc<ConnectionInfo>,
    activity: Arc<Activity>,
) -> Stack {
    let gateway = Arc::clone(&pipeline.worker.gateway);
    ServiceBuilder::new()
        // Outermost: a defect anywhere below costs one request, never the connection's other streams.
        .layer(CatchPanicLayer)
        // Before every decision: whatever happens next is found again by request id and trace id.
        .layer(IdentifyLayer {
            gateway,
            connection,
            activity,
        })
        .service(pipeline)
}

/// Turns a panic into a 500; differs from tower-http's in that it knows our bodies and failures.
#[derive(Debug, Clone, Copy)]
struct CatchPanicLayer;

/// The service of [`CatchPanicLayer`].
#[derive(Debug, Clone)]
pub(crate) struct CatchPanic<S>(S);

pin_project! {
    /// An answer whatever happens on the way to it.
    #[derive(Debug)]
    pub(crate) struct Caught<F> {
        #[pin]
        answer: CatchUnwind<AssertUnwindSafe<F>>,
    }
}

impl<F: Future<Output = Outcome>> Future for Caught<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.project().answer.poll(cx).map(|answer| {
            answer.unwrap_or_else(|_| {
                // The panic's own message has gone to the log by the panic hook.
                tracing::error!("a request's handler panicked");
                Ok(refuse(&Failure::Internal))
            })
        })
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic(inner)
    }
}

impl<S> Service<Request<Incoming>> for CatchPanic<S>
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Caught<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let answer = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Caught { answer }
    }
}

/// Gives every request its id, its trace context and its record.
#[derive(Debug, Clone)]
struct IdentifyLayer {
    gateway: Arc<GatewayState>,
    connection: Arc<ConnectionInfo>,
    activity: Arc<Activity>,
}

/// The service of [`IdentifyLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Identify<S> {
    inner: S,
    gateway: Arc<GatewayState>,
    connection: Arc<ConnectionInfo>,
    activity: Arc<Activity>,
}

impl<S> Layer<S> for IdentifyLayer {
    type Service = Identify<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Identify {
            inner,
            gateway: Arc::clone(&self.gateway),
            connection: Arc::clone(&self.connection),
            activity: Arc::clone(&self.activity),
        }
    }
}

impl<S> Identify<S> {
    fn answering(&self, request: &Request<Incoming>) -> Answering {
        let answering = self.activity.answering();
        // A stream of HTTP/2 ends by itself.
        let has_body = request.version() != Version::HTTP_2 && !request.body().is_end_stream();
        if has_body {
            answering.with_body()
        } else {
            answering
        }
    }

    fn identify(&self, request: &Request<Incoming>) -> Box<Exchange> {
        let headers = request.headers();
        let trace = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(TraceContext::parse)
            .map_or_else(TraceContext::start, |caller| caller.child());
        let trusted = self.connection.kind == route_table::table::ListenerKind::Internal;
        let request_id = headers
            .get(X_REQUEST_ID)
            .filter(|_| trusted)
            .and_then(request_id::adopt)
            .unwrap_or_else(request_id::generate);
        Exchange::begin(
            Arc::clone(&self.gateway),
            Arc::clone(&self.connection),
            request,
            request_id,
            trace,
            self.answering(request),
        )
    }
}

impl<S> Service<Request<Incoming>> for Identify<S>
where
    S: Service<Identified>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> S::Future {
        let exchange = self.identify(&request);
        self.inner.call(Identified { request, exchange })
    }
}
