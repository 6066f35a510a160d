//! The command line.

use std::process::ExitCode;

use clap::Parser;

use crate::Options;

/// Pages and screens for the shop's browsers.
#[derive(Debug, Parser)]
#[command(
    name = "bff-web",
    version,
    about,
    after_help = "\
Examples:
  bff-web --listen 127.0.0.1:7009 --registry http://127.0.0.1:7000
  BANYAN_BFF_WEB_SECRET=… bff-web --issuer https://id.shop.test --identity-url https://id.shop.test
  curl --cacert target/demo/ca.pem -H \"Authorization: Bearer $TOKEN\" https://localhost:8443/web/home"
)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// Runs until the process is asked to stop.
#[expect(clippy::print_stderr, reason = "this is the command line's voice")]
pub fn main() -> ExitCode {
    let options = Cli::parse().options;
    telemetry::log::init("bff-web");
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
            eprintln!("bff-web: {error:#}");
            ExitCode::FAILURE
        }
    }
}
