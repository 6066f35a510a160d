//! Layers of your own around the gateway's path, globally or on one route.
//!
//! A layer is any [`tower::Layer`]: those of tower and tower-http, or one written for the purpose. It sees
//! [`http::Request<Body>`] and [`http::Response<Body>`], may change either, answer by itself, or call on
//! as often as it likes. `examples/custom_layer.rs` is a whole gateway with two of them.
//!
//! - A *global* layer is outermost: it sees every request as the client sent it, after request id and
//!   trace context were set, and before the gateway has judged it.
//! - A *route's* layer is innermost: it sees requests that have passed authentication and limits, on
//!   their way to the upstream.
//!
//! The access log tells what the client was told: what a layer answers by itself is logged as any answer.
//! Without layers the request's path pays nothing for them.

mod body;
mod through;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use route_table::Table;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt as _};

pub use body::Body;
pub(crate) use through::{Path, through};

/// What a layer wraps: the rest of the request's path.
pub type Next = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// A layer, made to fit.
type Wrap = Arc<dyn Fn(Next) -> Next + Send + Sync>;

/// Layers, outermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<Wrap>);

impl Layers {
    /// Puts the layers around `next`.
    fn around(&self, next: Next) -> Next {
        self.0.iter().rev().fold(next, |next, wrap| wrap(next))
    }
}

/// What a gateway of your own has beyond the ordinary one.
#[derive(Clone, Default)]
pub struct Extensions {
    global: Layers,
    by_route: HashMap<String, Layers>,
}

impl Extensions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer around everything; the first one added is outermost. An error of the layer is
    /// logged and answered with 500.
    #[must_use]
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<Next> + Send + Sync + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.global.0.push(fitted(layer));
        self
    }

    /// Adds a layer around one route, by the name that log and metrics show: its `name`, or its
    /// methods and path as written.
    #[must_use]
    pub fn route_layer<L, B>(mut self, route: impl Into<String>, layer: L) -> Self
    where
        L: Layer<Next> + Send + Sync + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let layers = self.by_route.entry(route.into()).or_default();
        layers.0.push(fitted(layer));
        self
    }

    pub(crate) fn global(&self) -> Option<&Layers> {
        (!self.global.0.is_empty()).then_some(&self.global)
    }

    pub(crate) fn of_route(&self, name: &str) -> Option<&Layers> {
        if self.by_route.is_empty() {
            return None;
        }
        self.by_route.get(name)
    }

    /// Says which layers wait for a route that the table has not.
    pub(crate) fn warn_of_unused(&self, table: &Table) {
        let named = |name: &str| table.routes.iter().any(|route| &*route.name == name);
        for name in self.by_route.keys().filter(|name| !named(name)) {
            tracing::warn!(
                route = name,
                "a layer is for a route that the table has not"
            );
        }
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions")
            .field("global", &self.global.0.len())
            .field("by_route", &self.by_route.keys())
            .finish()
    }
}

fn fitted<L, B>(layer: L) -> Wrap
where
    L: Layer<Next> + Send + Sync + 'static,
    L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
    <L::Service as Service<Request<Body>>>::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Arc::new(move |next| {
        let service = layer.layer(next);
        Next::new(tower::service_fn(move |request| {
            let service = service.clone();
            async move {
                Ok(match service.oneshot(request).await {
                    Ok(response) => response.map(Body::new),
                    Err(error) => failed(error.into()),
                })
            }
        }))
    })
}

fn failed(error: BoxError) -> Response<Body> {
    tracing::error!(%error, "a layer failed");
    crate::respond::refuse(&crate::respond::Failure::Internal).map(Body::answer)
}
