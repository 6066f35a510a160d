//! `gateway check`: everything that is wrong with a route table.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::control;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The route table.
    #[arg(value_name = "FILE", default_value = "routes.yaml")]
    file: PathBuf,
}

/// Loads the table as `run` would, embedded tests included, and prints what it found.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    match control::load(&args.file) {
        Ok(table) => {
            // An error says that nobody reads: the exit code stands.
            let _ = writeln!(
                std::io::stdout(),
                "{}: ok, {} routes, {} upstreams, {} migrations",
                args.file.display(),
                table.routes.len(),
                table.upstreams.len(),
                table.migrations.len(),
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
