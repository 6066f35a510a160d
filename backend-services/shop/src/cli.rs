//! The command line: `shop run`, `shop up` and `shop token`.
//!
//! Exit codes: 0 for an orderly end, 1 when something failed, 2 when the command line is wrong.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::lifetime;
use crate::service::ServiceCommand;
use crate::token::TokenOptions;
use crate::up::UpOptions;

/// How long blocking work may take to notice that the process ends. A read of standard input, by
/// which `--supervised` watches its launcher, never notices.
const RUNTIME_END_TIMEOUT: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  shop run order --listen 127.0.0.1:7007 --registry http://127.0.0.1:7000
  shop up registry catalog inventory order
  curl --cacert target/demo/ca.pem -H \"Authorization: Bearer $(shop token --user 1)\" https://localhost:8443/api/customers/1

Environment:
  BANYAN_LOG       what to log, such as `info,order=debug` [default: info]
  BANYAN_REGISTRY  where the registry answers; as --registry

Exit codes: 0 stopped in order, 1 failed, 2 wrong command line.";

const RUN_EXAMPLES: &str = "\
Examples:
  shop run registry --listen 127.0.0.1:7000
  shop run catalog --listen 127.0.0.1:7005 --registry http://127.0.0.1:7000
  shop run identity --help";

/// Runs the shop's services.
#[derive(Debug, Parser)]
#[command(name = "shop", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one service until it is told to stop.
    #[command(after_help = RUN_EXAMPLES)]
    Run {
        #[command(subcommand)]
        service: Box<ServiceCommand>,
    },
    /// Runs several services in one process, each on its own port.
    Up(UpOptions),
    /// Signs a user in and prints an access token.
    Token(TokenOptions),
}

/// Runs what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and exits with 0, a mistake to standard error with 2.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "shop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = match command {
        Command::Run { service } => {
            telemetry::log::init(service.name());
            runtime.block_on(lifetime::run(vec![*service]))
        }
        Command::Up(options) => {
            telemetry::log::init("shop");
            runtime.block_on(async { lifetime::run(options.services()?).await })
        }
        Command::Token(options) => runtime.block_on(options.print()),
    };
    runtime.shutdown_timeout(RUNTIME_END_TIMEOUT);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_page_shows_an_example() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        let pages = cli.get_subcommands().chain(run.get_subcommands());
        for page in pages {
            let help = page.clone().render_help().to_string();
            assert!(
                help.contains("shop "),
                "{} has no example:\n{help}",
                page.get_name()
            );
            assert!(
                help.contains("Example"),
                "{} has no example:\n{help}",
                page.get_name()
            );
        }
    }

    #[test]
    fn a_service_takes_its_options() {
        let cli = Cli::try_parse_from([
            "shop",
            "run",
            "order",
            "--listen",
            "127.0.0.1:7007",
            "--data-dir",
            "d",
            "--registry",
            "http://127.0.0.1:7000",
            "--supervised",
        ]);
        let Command::Run { service } = cli.unwrap().command else {
            panic!("not run")
        };
        assert_eq!(service.name(), "order");
        let settings = service.settings();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:7007");
        assert!(settings.supervised);
    }
}
