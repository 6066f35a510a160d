//! `gateway check`: everything that is wrong with a route table, and what is probably not meant.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use route_table::TableErrors;
use route_table::lint::{Lint, lint};

use crate::check::{Report, Severity, auth_lost};
use crate::cli::output::Output;
use crate::control::{self, TableFiles};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The route table.
    #[arg(value_name = "FILE", default_value = "routes.yaml")]
    file: PathBuf,
    /// The table of before: say which requests no longer need the authentication that it asked for.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// A kind of finding that is meant; may be repeated.
    #[arg(long, value_name = "CODE", value_parser = PossibleValuesParser::new(Lint::ALL.map(Lint::code)))]
    allow: Vec<String>,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Loads the table as `run` would, embedded tests included, and prints what it found.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let report = match checked(args) {
        Ok(report) => report,
        Err(error) => {
            // An error says that nobody reads: the exit code stands.
            let _ = writeln!(std::io::stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    let _ = match args.output {
        Output::Json => write!(std::io::stdout(), "{}", args.output.of(&report)),
        Output::Text => write!(std::io::stderr(), "{report}")
            .and_then(|()| writeln!(std::io::stdout(), "{}", report.summary())),
    };
    let bearable = if args.strict {
        None
    } else {
        Some(Severity::Warning)
    };
    if report.worst() > bearable {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn checked(args: &CheckArgs) -> Result<Report, control::LoadError> {
    let files = TableFiles::read(&args.file)?;
    let mut report = Report::new(args.file.display().to_string());
    let table = match files.compile() {
        Ok(table) => table,
        Err(TableErrors(errors)) => {
            errors.into_iter().for_each(|error| report.invalid(error));
            return Ok(report);
        }
    };
    report.count(&table);
    let mut findings = files.empty_includes();
    findings.extend(lint(&table));
    if let Some(old) = &args.against {
        findings.extend(auth_lost(&control::load(old)?, &table));
    }
    let is_allowed = |lint: Lint| args.allow.iter().any(|code| code == lint.code());
    for finding in findings.into_iter().filter(|one| !is_allowed(one.lint)) {
        report.found(finding, &files);
    }
    Ok(report)
}
