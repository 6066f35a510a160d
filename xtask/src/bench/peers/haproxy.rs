//! HAProxy.

use std::fs;

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::lab::{Lab, WORKERS};
use crate::bench::peers::nginx::Edge;
use crate::bench::server::Server;
use crate::demo::ports;

/// A proxy to the upstream. `rules` are of its frontend, `sections` follow.
///
/// # Errors
/// When it does not start.
pub(in crate::bench) async fn proxy(
    lab: &Lab,
    name: &str,
    edge: Edge,
    rules: &str,
    sections: &str,
) -> anyhow::Result<Server> {
    let [port] = ports::free()?;
    let folder = lab.path();
    let tls = match edge {
        Edge::Plain => String::new(),
        Edge::Tls => {
            let read = |name: &str| fs::read_to_string(folder.join(name));
            let bundle = read("edge.pem")? + &read("edge.key")?;
            let path = lab.file("edge.bundle.pem", &bundle)?;
            format!(
                " ssl crt {} alpn h2,http/1.1 no-tls-tickets",
                path.display()
            )
        }
    };
    let text = format!(
        "global\n  nbthread {WORKERS}\n  maxconn 4000\n  log stdout format raw local0\n  \
         tune.ssl.cachesize 0\n  ssl-default-bind-options ssl-min-ver TLSv1.2\n\
         defaults\n  mode http\n  log global\n  option httplog\n  option forwardfor\n  http-reuse always\n  \
         timeout connect 5s\n  timeout client 600s\n  timeout server 60s\n  timeout http-keep-alive 600s\n\
         frontend edge\n  bind 127.0.0.1:{port}{tls}\n{rules}  default_backend shop\n\
         backend shop\n  server one 127.0.0.1:{}\n  server two 127.0.0.1:{}\n{sections}",
        lab.upstream.port, lab.second_upstream_port,
    );
    let config = lab.file(&format!("{name}.cfg"), &text)?;
    let mut command = Command::new(&lab.programs.haproxy);
    command.arg("-db").arg("-f").arg(&config);
    Server::start(command, port, &folder.join(format!("{name}.log")))
        .await
        .context("haproxy")
}
