//! `gateway plan`: what an edit of the table would do to recorded traffic.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::Output;
use crate::control;
use crate::plan::{Progress, Report, replay};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The table as it is.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The table as it would be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// An access log of the gateway; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    traffic: PathBuf,
    /// A row whose loss of authentication is meant; may be repeated.
    #[arg(long, value_name = "ROUTE")]
    accept: Vec<String>,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Replays the traffic and prints what would change.
pub(super) fn plan(args: &PlanArgs) -> ExitCode {
    let mut report = match planned(args) {
        Ok(report) => report,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    let unknown = report.accept(&args.accept);
    let said = args.output.of(&report);
    // A report that nobody reads: the exit code stands.
    let _ = io::stdout().write_all(said.as_bytes());
    if !unknown.is_empty() {
        let names = unknown.join("`, `");
        let _ = writeln!(
            io::stderr(),
            "gateway: --accept `{names}`: no row of that name loses authentication"
        );
        return ExitCode::from(2);
    }
    if report.is_dangerous() {
        let _ = writeln!(
            io::stderr(),
            "gateway: authentication is lost, or may be; `--accept ROUTE` where it is meant"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn planned(args: &PlanArgs) -> Result<Report, String> {
    let load = |path: &Path| control::load(path).map_err(|error| error.to_string());
    let (old, new) = (load(&args.old)?, load(&args.new)?);
    let unreadable = |error: io::Error| {
        format!(
            "gateway: {} cannot be read: {error}",
            args.traffic.display()
        )
    };
    let (log, bytes): (Box<dyn Read>, _) = if args.traffic == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(&args.traffic).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        (Box::new(file), Some(bytes))
    };
    let bar = Bar::new(bytes);
    replay(&old, &new, log, &bar).map_err(unreadable)
}

/// Shows people how far it is, and is gone when it is done.
struct Bar(ProgressBar);

impl Bar {
    fn new(bytes: Option<u64>) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }
}

impl Progress for Bar {
    fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
