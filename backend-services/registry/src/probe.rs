//! Asks a suspected instance whether it is alive.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::domain::ProbeTarget;

/// Probes instances; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    http: reqwest::Client,
    timeout: Duration,
}

impl Prober {
    pub(crate) fn new(timeout: Duration) -> anyhow::Result<Self> {
        chassis::install_crypto();
        let builder = || {
            reqwest::Client::builder()
                .no_proxy()
                // Health is asked at the instance's own address and nowhere else.
                .redirect(reqwest::redirect::Policy::none())
                // A fresh connection each time: an old one proves little.
                .pool_max_idle_per_host(0)
                .timeout(timeout)
        };
        // A machine that trusts no certificates can still probe over plain HTTP.
        let http = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self { http, timeout })
    }

    /// Whether `target` answers in time, and well.
    pub(crate) async fn is_alive(&self, target: &ProbeTarget) -> bool {
        match target {
            ProbeTarget::Health(url) => {
                let answer = self.http.get(url).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            }
            ProbeTarget::Connect { addr, port } => {
                let connecting = TcpStream::connect((addr.as_str(), *port));
                matches!(
                    tokio::time::timeout(self.timeout, connecting).await,
                    Ok(Ok(_))
                )
            }
        }
    }
}
