//! The command line: what `gateway` understands, and its exit codes.
//!
//! Exit codes everywhere: 0 fine, 1 a finding or a failure, 2 a wrong call.

mod api_key;
mod check;
mod explain;
mod output;
mod plan;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::defaults::DRAIN_DELAY;
use crate::extend::Extensions;
use crate::run;

/// An API gateway that moves URIs from a monolith to services, one edited line at a time.
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version,
    about,
    after_help = "\
Examples:
  gateway check routes.yaml
  gateway explain GET /api/orders/42
  gateway run --config routes.yaml
  gateway run --config routes.yaml --workers 4 --drain-delay 0s"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the route table and follow its edits.
    #[command(after_help = "\
Examples:
  gateway run --config routes.yaml
  kill -HUP PID        reads routes.yaml at once (an edit is seen by itself within 300 ms)
  kill -TERM PID       drains: not ready, then no new connections, then the end
  kill -USR2 PID       starts the new binary, hands all sockets over, then drains: no request is lost

Log lines go to standard output as JSON; BANYAN_LOG=debug shows more.")]
    Run(RunArgs),
    /// Say everything that is wrong with a route table, and what is probably not meant.
    #[command(after_help = "\
Examples:
  gateway check routes.yaml
  gateway check routes.yaml --strict && git commit routes.yaml
  git show main:routes.yaml > old.yaml && gateway check routes.yaml --against old.yaml
  gateway check routes.yaml --output json | jq -r '.findings[] | \"\\(.file):\\(.line) \\(.code)\"'

Exit codes: 0 the table is good, 1 it is not, or authentication is lost, or --strict and there is a
warning, 2 wrong call.")]
    Check(check::CheckArgs),
    /// Say which row takes a request, what the others lacked, and what applies.
    #[command(after_help = "\
Examples:
  gateway explain GET /api/orders/42
  gateway explain POST https://shop.test/api/orders -H 'X-Beta: 1' --config routes.yaml
  gateway explain GET /api/orders/42 --admin http://127.0.0.1:9901
  gateway explain GET /api/orders/42 --output json | jq .to

With --admin a running gateway is asked, which also knows its endpoints.

Exit codes: 0 a row takes it, 1 the gateway would refuse it, 2 wrong call.")]
    Explain(explain::ExplainArgs),
    /// Make an API key, and the entry that lets it in.
    #[command(
        name = "api-key",
        after_help = "\
Examples:
  gateway api-key partner-1
  pass show partner-2 | gateway api-key partner-2 --stdin
  gateway api-key partner-1 --output json | jq -r .key

The entry goes into the file that `auth.providers.NAME.api_keys.file` names; a running gateway sees it
within a second."
    )]
    ApiKey(api_key::ApiKeyArgs),
    /// Replay recorded traffic through an old and a new table, and say what would change.
    #[command(after_help = "\
Examples:
  gateway plan routes.yaml new.yaml --traffic access.jsonl
  git show main:routes.yaml > old.yaml && gateway plan old.yaml routes.yaml --traffic access.jsonl
  zcat access.jsonl.gz | gateway plan old.yaml new.yaml --traffic - --output json
  gateway plan old.yaml new.yaml --traffic access.jsonl --accept 'GET /public'

Exit codes: 0 fine, 1 a request would lose its authentication, or might, 2 wrong call.")]
    Plan(plan::PlanArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The route table.
    #[arg(long, value_name = "FILE", default_value = "routes.yaml")]
    config: PathBuf,
    /// Worker threads [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// How long to serve on, not ready, before a stop ends accepting; `500ms`, `5s` [default: 5s].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    drain_delay: Option<Duration>,
    /// File that access-log lines are appended to [default: standard output].
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Folder for what outlives the process: the last key sets of token issuers, so that a start while
    /// one is away locks nobody out [default: nothing is kept].
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// Stop when standard input ends: for launchers, whose death ends the gateway too.
    #[arg(long)]
    supervised: bool,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    route_table::parse_duration(text)
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    main_with(Extensions::default())
}

/// The same for a gateway with layers of its own.
pub fn main_with(extensions: Extensions) -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => check::check(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::ApiKey(args) => api_key::api_key(&args),
        Command::Run(args) => {
            telemetry::log::init("gateway");
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let options = run::Options {
                config: args.config,
                workers: args.workers.map_or(cores, usize::from),
                drain_delay: args.drain_delay.unwrap_or(DRAIN_DELAY),
                access_log: args.access_log,
                state_dir: args.state_dir,
                supervised: args.supervised,
                extensions,
            };
            match run::run(&options) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    complain(&error);
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// A person waits at the other end of standard error; the log is for machines.
#[expect(clippy::print_stderr, reason = "this is the command line's voice")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("gateway: {error}");
}
