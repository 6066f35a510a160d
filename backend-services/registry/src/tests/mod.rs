//! The registry over real sockets, through the client that everybody uses.

mod api;
mod watching;
mod liveness;
mod operation;
mod services;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::{Running, Settings};
use discovery::{
    Instance, Registration, RegistryClient, RegistryError, ServiceView, Source, Status,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::AbortHandle;

use crate::{Clock, Options, Timing};

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);
/// Shorter than any wait that must not be waited for.
const AT_ONCE: Duration = Duration::from_secs(3);

struct Fixture {
    running: Option<Running>,
    client: RegistryClient,
    http: reqwest::Client,
    url: String,
    /// Seconds that the registry's clock is ahead of the machine's.
    ahead_s: Arc<AtomicU64>,
    place: Place,
}

/// What of a registry outlives its process.
struct Place {
    /// Bound, never listening: keeps the port from everybody who does not ask for it by number.
    port: TcpSocket,
    data: TempDir,
}

impl Place {
    fn new() -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self {
            port,
            data: tempfile::tempdir().unwrap(),
        }
    }

    fn addr(&self) -> SocketAddr {
        self.port.local_addr().unwrap()
    }
}

impl Fixture {
    async fn start() -> Self {
        Self::start_at(Place::new()).await
    }

    async fn start_at(place: Place) -> Self {
        let ahead_s = Arc::new(AtomicU64::new(0));
        let (started, ahead) = (Instant::now(), Arc::clone(&ahead_s));
        let clock = Clock::new(move || {
            started.elapsed() + Duration::from_secs(ahead.load(Ordering::Relaxed))
        });
        let timing = Timing {
            tick: Duration::from_millis(10),
            probe_interval: Duration::from_millis(30),
            probe_timeout: Duration::from_millis(500),
            round: Duration::from_millis(50),
        };
        let service = Settings {
            listen: place.addr(),
            ..Settings::for_tests(place.data.path())
        };
        let options = Options { service };
        let running = crate::start_with(options, clock, timing).await.unwrap();
        let url = running.url();
        Self {
            client: RegistryClient::new(&url).unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            running: Some(running),
            url,
            ahead_s,
            place,
        }
    }

    fn pass(&self, time: Duration) {
        self.ahead_s.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    /// Stops the registry and starts it again at its address, on the data it had.
    async fn restart(self) -> Self {
        Self::start_at(self.stop().await).await
    }

    async fn stop(mut self) -> Place {
        self.running.take().unwrap().shutdown().await;
        self.place
    }

    /// Watches `service` until its instances are as `wanted`.
    #[track_caller]
    fn until(
        &self,
        service: &str,
        wanted: impl Fn(&[Instance]) -> bool,
    ) -> impl Future<Output = ServiceView> {
        let give_up_at = Instant::now() + DEADLINE;
        async move {
            let mut index = 0;
            loop {
                let wait = Duration::from_secs(5);
                let view = self.client.instances(service, index, wait).await.unwrap();
                if wanted(&view.instances) {
                    return view;
                }
                assert!(Instant::now() < give_up_at, "at last: {view:?}");
                index = view.index;
            }
        }
    }

    async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.put(format!("{}{path}", self.url)).json(body);
        answer(request).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn on_port(port: u16) -> Registration {
    serde_json::from_value(json!({ "addr": "127.0.0.1", "port": port })).unwrap()
}

fn statuses(instances: &[Instance]) -> Vec<(&str, Status)> {
    instances
        .iter()
        .map(|instance| (instance.id.as_str(), instance.status))
        .collect()
}

/// An instance that answers its health check until it is killed.
async fn instance() -> (SocketAddr, AbortHandle) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let routes = axum::Router::new().route("/readyz", axum::routing::get(|| async { "ok" }));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    (addr, serving.abort_handle())
}
