//! A service: its name, its routes, and what it needs to be ready.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use discovery::{Registration, RegistryClient, SelfRegistration, Source};
use tokio::net::TcpListener;

use crate::client::install_crypto;
use crate::health::Readiness;
use crate::layers;
use crate::running::Running;
use crate::settings::Settings;

/// A future in a box, as readiness checks return it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Seconds that a service's lease lasts without renewal.
const LEASE_TTL_S: u32 = 15;

/// A service about to start.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    routes: Router,
    readiness: Readiness,
    metadata: BTreeMap<String, String>,
    registers: bool,
}

impl Service {
    /// Names a service and gives it its routes. `/livez` and `/readyz` are the chassis'.
    #[must_use]
    pub fn new(name: &'static str, routes: Router) -> Self {
        Self {
            name,
            routes,
            readiness: Readiness::default(),
            metadata: BTreeMap::new(),
            registers: true,
        }
    }

    /// Adds a readiness check: a label, and what is wrong when something is.
    #[must_use]
    pub fn ready_when<F>(mut self, label: &'static str, check: F) -> Self
    where
        F: Fn() -> BoxFuture<Result<(), String>> + Send + Sync + 'static,
    {
        self.readiness.add(label, Arc::new(check));
        self
    }

    /// Adds a pair to what the registry tells of this instance.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Keeps the service out of the registry: for the registry itself.
    #[must_use]
    pub fn unregistered(mut self) -> Self {
        self.registers = false;
        self
    }

    /// Binds, serves and registers.
    ///
    /// # Errors
    /// A busy port, in one line that names it; a registry URL that is none.
    pub async fn start(self, settings: &Settings) -> anyhow::Result<Running> {
        install_crypto();
        let listener = bind(self.name, settings).await?;
        let addr = listener.local_addr()?;
        let registration = match &settings.registry {
            Some(url) if self.registers => {
                let client = RegistryClient::new(url)?;
                Some((client, self.registration(addr, settings)?))
            }
            _ => None,
        };
        // Health stands outside the layers: it is asked every few seconds by several parties, and is
        // neither logged nor limited.
        let router = self
            .readiness
            .clone()
            .routes()
            .fallback_service(layers::wrap(self.routes));
        let running = Running::serve(
            self.name,
            listener,
            router,
            self.readiness,
            settings.supervised,
        )?;
        let id = settings
            .instance
            .clone()
            .unwrap_or_else(|| format!("{}-{}", self.name, addr.port()));
        tracing::info!(service = self.name, instance = %id, %addr, "listening");
        Ok(match registration {
            Some((client, body)) => {
                running.registered(SelfRegistration::start(client, self.name, &id, body))
            }
            None => running,
        })
    }

    fn registration(&self, addr: SocketAddr, settings: &Settings) -> anyhow::Result<Registration> {
        let host = match &settings.advertise {
            Some(host) => host.clone(),
            None if addr.ip().is_unspecified() => anyhow::bail!(
                "{}: listening on {addr} says not where others find this instance: add --advertise HOST",
                self.name
            ),
            None => addr.ip().to_string(),
        };
        let url_host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        Ok(Registration {
            addr: host,
            port: addr.port(),
            scheme: "http".to_owned(),
            zone: settings.zone.clone(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            weight: 1,
            health_url: Some(format!("http://{url_host}:{}/readyz", addr.port())),
            ttl_s: LEASE_TTL_S,
            source: Source::Itself,
            metadata: self.metadata.clone(),
        })
    }
}

async fn bind(name: &str, settings: &Settings) -> anyhow::Result<TcpListener> {
    let addr = settings.listen;
    TcpListener::bind(addr).await.with_context(|| {
        format!("{name}: cannot listen on {addr}; is another process using it? Try --listen")
    })
}
