//! `gateway check`: everything that is wrong with a route table.

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
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the command line's voice"
)]
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    match control::load(&args.file) {
        Ok(table) => {
            println!(
                "{}: ok, {} routes, {} upstreams, {} migrations",
                args.file.display(),
                table.routes.len(),
                table.upstreams.len(),
                table.migrations.len(),
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
