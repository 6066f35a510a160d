//! What every bench needs: programs, files, an upstream, and the gateway.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::options::Options;
use crate::bench::peers::nginx;
use crate::bench::rounds::{Client, Contestant};
use crate::bench::server::Server;
use crate::bench::wrk::Wrk;
use crate::demo::folder::Folder;
use crate::demo::{build, certificates, ports};
use crate::tools;

/// As many as the peers get.
pub(super) const WORKERS: usize = 2;

/// The programs that benches are made of.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) gateway: PathBuf,
    pub(super) wrk: PathBuf,
    pub(super) h2load: PathBuf,
    pub(super) nginx: PathBuf,
    pub(super) haproxy: PathBuf,
}

/// A place to measure in.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) folder: Folder,
    pub(super) programs: Programs,
    pub(super) options: Options,
    /// Answers everything with a few bytes of JSON, on both of its ports.
    pub(super) upstream: Server,
    pub(super) second_upstream_port: u16,
}

/// A running gateway, and the table that it follows.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) server: Server,
    pub(super) table: PathBuf,
}

impl Lab {
    /// Finds or installs the programs, builds the gateway, starts the upstream.
    ///
    /// # Errors
    /// When a program is missing and can't be installed, or the build fails.
    pub(super) async fn open(root: &Path, options: &Options) -> anyhow::Result<Self> {
        let (wrk, h2load) = (
            tools::debian("wrk", "wrk").await?,
            tools::debian("nghttp2-client", "h2load").await?,
        );
        let (nginx, haproxy) = (
            tools::debian("nginx-light", "nginx").await?,
            tools::debian("haproxy", "haproxy").await?,
        );
        let gateway = match &options.gateway {
            Some(path) => path.canonicalize().context("no such gateway")?,
            None => build::build_as(root, &["gateway"], "release")?
                .path("gateway")?
                .to_owned(),
        };
        let folder = Folder::take(&root.join("target/bench"), false)?;
        certificates::write(folder.path())?;
        let programs = Programs {
            gateway,
            wrk,
            h2load,
            nginx,
            haproxy,
        };
        let ports = ports::free()?;
        let upstream = nginx::upstream(&programs.nginx, folder.path(), ports).await?;
        Ok(Self {
            folder,
            programs,
            options: options.clone(),
            upstream,
            second_upstream_port: ports[1],
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of this bench, and returns where it is.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Where Python puts the programs of peers that come from PyPI; kept from run to run.
    pub(super) fn python(&self) -> PathBuf {
        self.path().join("venv")
    }

    /// Writes a route table that lacks but `version` and `admin`.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn table(&self, name: &str, table: &str) -> anyhow::Result<PathBuf> {
        let [admin] = ports::free()?;
        let text = format!("version: 1\nadmin: {{ bind: \"127.0.0.1:{admin}\" }}\n{table}");
        self.file(&format!("{name}.yaml"), &text)
    }

    /// Starts the gateway. `table` lacks but `version` and `admin`; `name` is for its files.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn gateway(
        &self,
        name: &str,
        port: u16,
        table: &str,
    ) -> anyhow::Result<Gateway> {
        let table = self.table(name, table)?;
        let mut command = Command::new(&self.programs.gateway);
        command
            .args(["run", "--drain-delay", "0s", "--config"])
            .arg(&table)
            .arg(format!("--workers={WORKERS}"))
            .arg("--access-log")
            .arg(self.path().join(format!("{name}.access.log")));
        let server = Server::start(command, port, &self.folder.log(name)).await?;
        Ok(Gateway { server, table })
    }

    /// A gateway with one listener, one upstream and one route, under wrk's load.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn plain_gateway(&self) -> anyhow::Result<Contestant> {
        let [port] = ports::free()?;
        let gateway = self
            .gateway("gateway", port, &self.one_route(port, ""))
            .await?;
        Ok(self.under_wrk("gateway", gateway.server))
    }

    /// The table of one route. `tls` is what the listener says besides its address.
    pub(super) fn one_route(&self, port: u16, tls: &str) -> String {
        format!(
            "listeners: [ {{ bind: \"127.0.0.1:{port}\"{tls} }} ]\n\
             upstreams: {{ shop: {{ endpoints: [\"http://127.0.0.1:{}\"] }} }}\n\
             routes: [ {{ match: {{ prefix: / }}, to: {{ upstream: shop }} }} ]\n",
            self.upstream.port
        )
    }

    /// A server that wrk asks for `/`.
    pub(super) fn under_wrk(&self, name: &str, server: Server) -> Contestant {
        let url = format!("http://127.0.0.1:{}/", server.port);
        Contestant {
            name: name.to_owned(),
            server,
            client: Client::Wrk(Wrk::new(&self.programs.wrk, url)),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A log of all rounds is gigabytes that nobody reads.
        for entry in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(".access.log") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
