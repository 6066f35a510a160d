//! Lets long answers end when the service stops.

use tokio_util::sync::CancellationToken;

/// Tells handlers that the service is stopping, so that those that wait on purpose (long polls,
/// event streams) need not be waited for. Each request has it as an extension:
///
/// ```
/// use axum::Extension;
/// use chassis::Stopping;
///
/// async fn wait_for_news(Extension(stopping): Extension<Stopping>) -> &'static str {
///     tokio::select! {
///         () = std::future::pending() => "news",
///         () = stopping.begun() => "no news: ask another",
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Completes once the service no longer takes connections.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    pub(crate) fn begin(&self) {
        self.0.cancel();
    }
}
