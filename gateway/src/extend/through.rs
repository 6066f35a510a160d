//! Runs a request through layers whose innermost service is a borrowed part of the request's path.
//!
//! A service must be `'static`, the path is not: it works on the request's own record. So the innermost
//! service only hands each request over, and the path answers it where it stands. Both run in one task;
//! a layer that answers first (a timeout, for instance) drops the other.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::sync::{mpsc, oneshot};
use tower::{Service, ServiceExt as _};

use super::{Body, Layers, Next};
use crate::respond::{Failure, ResponseBody, refuse};

/// A request on its way in, and where its answer is waited for.
type Call = (Request<Body>, oneshot::Sender<Response<Body>>);

/// The part of the request's path that layers stand around.
pub(crate) trait Path: Send {
    fn answer(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;
}

/// Sends `request` through `layers` to `path`, which is asked once for every call of the layers.
pub(crate) async fn through(
    layers: &Layers,
    request: Request<Body>,
    mut path: impl Path,
) -> Response<ResponseBody> {
    let (calls, mut called) = mpsc::channel::<Call>(1);
    let layered = layers.around(Next::new(HandOver(calls))).oneshot(request);
    let answering = async {
        while let Some((request, answer)) = called.recv().await {
            let response = path.answer(request).await;
            // An error means that the layer waits no more.
            let _ = answer.send(response.map(Body::answer));
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        Ok(response) = layered => response.map(Body::into_answer),
        never = answering => match never {},
    }
}

/// The innermost service.
#[derive(Debug, Clone)]
struct HandOver(mpsc::Sender<Call>);

impl Service<Request<Body>> for HandOver {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let calls = self.0.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            if calls.send((request, answer)).await.is_ok()
                && let Ok(response) = answered.await
            {
                return Ok(response);
            }
            // The request is over: a layer that kept its service has come too late.
            Ok(refuse(&Failure::Internal).map(Body::answer))
        })
    }
}
