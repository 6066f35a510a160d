//! What every service is told on its command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Settings that all services share.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Folder for the service's own files.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Registry to register in and to find others by; none: neither.
    #[arg(long, value_name = "URL", env = "BANYAN_REGISTRY")]
    pub registry: Option<String>,
    /// Host that others find this instance by [default: the address of --listen].
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Name of this instance [default: SERVICE-PORT].
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Where this instance runs, for balancing.
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// Stop when standard input ends: for launchers, whose death ends the service too.
    #[arg(long)]
    pub supervised: bool,
}

impl Settings {
    /// Settings for a test: a free port, no registry, files in `data_dir`.
    #[must_use]
    pub fn for_tests(data_dir: &Path) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data_dir.to_owned(),
            registry: None,
            advertise: None,
            instance: None,
            zone: None,
            supervised: false,
        }
    }

    /// URL of the service's own SQLite database, made when it is not there.
    #[must_use]
    pub fn database_url(&self, service: &str) -> String {
        format!(
            "sqlite://{}?mode=rwc",
            self.data_dir.join(format!("{service}.db")).display()
        )
    }
}
