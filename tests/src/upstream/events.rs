//! A stream of events that a test sends one by one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::routing::get;
use tokio::sync::{Mutex, mpsc};

use crate::upstream::Fake;

/// A server whose `/events` are sent by the test, one by one.
pub async fn event_stream() -> (Fake, mpsc::Sender<&'static str>) {
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let receiver = Arc::new(Mutex::new(receiver));
    let events = move || {
        let receiver = Arc::clone(&receiver);
        let stream = futures_util::stream::unfold(receiver, async |receiver| {
            let event = receiver.lock().await.recv().await?;
            let bytes = Bytes::from_static(event.as_bytes());
            Some((Ok::<_, Infallible>(bytes), receiver))
        });
        async {
            (
                [(header::CONTENT_TYPE, "text/event-stream")],
                Body::from_stream(stream),
            )
        }
    };
    let routes = Router::new().route("/events", get(events));
    (Fake::start(routes).await, sender)
}
