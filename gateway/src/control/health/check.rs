//! What a check asks, and what counts as well.

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use route_table::table::{HealthCheck, HealthProbe};

use crate::control::health::grpc::{self, GrpcFailure};
use crate::upstream::{Probe, ProbeError};

/// So that services can tell checks from requests in their logs.
pub(super) const AGENT: HeaderValue = HeaderValue::from_static("banyan-health-check");

/// Why an endpoint did not pass; what people read in log and admin page.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckFailed {
    #[error("{0}")]
    NoAnswer(#[from] ProbeError),
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("{0}")]
    Grpc(#[from] GrpcFailure),
    #[error("the path of the check is none")]
    Path,
}

/// Asks one endpoint once.
///
/// # Errors
/// [`CheckFailed`].
pub(super) async fn ask(probe: Probe<'_>, check: &HealthCheck) -> Result<(), CheckFailed> {
    Probe::within(check.timeout, async {
        match &check.probe {
            HealthProbe::Tcp => Ok(probe.connect().await?),
            HealthProbe::Http { path } => get(probe, path).await,
            HealthProbe::Grpc { service } => grpc::check(probe, service).await,
        }
    })
    .await
}

/// `GET path` must answer 2xx.
async fn get(probe: Probe<'_>, path: &str) -> Result<(), CheckFailed> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(USER_AGENT, AGENT)
        .body(Full::new(Bytes::new()))
        .map_err(|_| CheckFailed::Path)?;
    let answered = probe.send(request, false).await?;
    match answered.response.status() {
        status if status.is_success() => Ok(()),
        status => Err(CheckFailed::Status(status)),
    }
}
