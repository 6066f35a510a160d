//! The command line.

use std::process::ExitCode;

use clap::Parser;

use crate::Options;

/// One call a screen for the shop's apps.
#[derive(Debug, Parser)]
#[command(
    name = "bff-mobile",
    version,
    about,
    after_help = "\
Examples:
  bff-mobile --listen 127.0.0.1:7010 --registry http://127.0.0.1:7000
  bff-mobile --gateway-url http://127.0.0.1:8081
  curl --cacert target/demo/ca.pem -H \"Authorization: Bearer $TOKEN\" https://localhost:8443/mobile/home"
)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// Runs until the process is asked to stop.
#[expect(clippy::print_stderr, reason = "this is the command line's voice")]
pub fn main() -> ExitCode {
    let options = Cli::parse().options;
    telemetry::log::init("bff-mobile");
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                crate::start(options).await?.until_stopped().await;
                Ok(())
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bff-mobile: {error:#}");
            ExitCode::FAILURE
        }
    }
}
