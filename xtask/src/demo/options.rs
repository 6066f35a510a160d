//! What can be said on the command line.

use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                     start clean; Ctrl-C stops everything
  cargo xtask demo --keep              keep the databases and the certificate authority of last time
  cargo xtask demo --port-base 20000   edge 20000, redirect 20001, internal 20002, admin 20003,
                                       registry 20010, then the services up to 20020
  cargo xtask demo --smoke             run the smoke journey on free ports, beside a running demo
  cargo xtask demo --only-build        build what the demo needs and stop there";

/// Options of `cargo xtask demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Moves all ports: edge N, redirect N+1, internal N+2, admin N+3, services N+10 to N+20.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=65_515))]
    pub(crate) port_base: Option<u16>,

    /// Keeps the databases and the certificate authority of the last run.
    #[arg(long)]
    pub(crate) keep: bool,

    /// Starts on free ports with a copy of routes.yaml, walks through the demo over HTTPS, stops.
    #[arg(long, conflicts_with = "keep")]
    pub(crate) smoke: bool,

    /// Builds and starts nothing.
    #[arg(long, conflicts_with_all = ["keep", "smoke"])]
    pub(crate) only_build: bool,

    /// Where databases, certificates, logs and process ids go [default: target/demo].
    #[arg(long, value_name = "FOLDER", conflicts_with = "smoke")]
    pub(crate) dir: Option<PathBuf>,
}
