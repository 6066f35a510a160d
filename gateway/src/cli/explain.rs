//! `gateway explain`: what becomes of a request, by a file or by a running gateway.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cli::output::Output;
use crate::control;
use crate::explain::{Question, Report, Words, explain as explain_request};

/// How long a running gateway may take to answer.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// GET, POST, …
    #[arg(value_name = "METHOD")]
    method: String,
    /// `https://shop.test/orders?x=1`, or a path alone.
    #[arg(value_name = "URL")]
    url: String,
    /// A header of the request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The client's address [default: 127.0.0.1].
    #[arg(long, value_name = "IP")]
    client_ip: Option<IpAddr>,
    /// The route table.
    #[arg(long, value_name = "FILE", default_value = "routes.yaml")]
    config: PathBuf,
    /// Ask a running gateway by its admin listener instead.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    admin: Option<String>,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// `Name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "write `-H 'Name: value'`".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Prints what becomes of the request.
pub(super) fn explain(args: &ExplainArgs) -> ExitCode {
    let words = Words {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.clone(),
        client_ip: args.client_ip,
    };
    let question = match Question::read(&words) {
        Ok(question) => question,
        Err(error) => {
            super::complain(&error);
            return ExitCode::from(2);
        }
    };
    let report = match &args.admin {
        Some(admin) => asked(admin, &words),
        None => control::load(&args.config)
            .map(|table| explain_request(&table, &question, None))
            .map_err(|error| error.to_string()),
    };
    match report {
        Ok(report) => {
            let said = args.output.of(&report);
            // An answer that nobody reads: the exit code stands.
            let _ = std::io::stdout().write_all(said.as_bytes());
            if report.is_taken() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks a running gateway.
fn asked(admin: &str, words: &Words) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(ask(admin, words))
}

async fn ask(admin: &str, words: &Words) -> Result<Report, String> {
    let unreachable = |error: reqwest::Error| {
        format!(
            "gateway: {admin} cannot be asked: {error}; is it the admin listener of a running gateway?"
        )
    };
    let client = reqwest::Client::builder().no_proxy().timeout(ADMIN_TIMEOUT);
    let client = client.build().map_err(unreachable)?;
    let url = format!("{}/explain", admin.trim_end_matches('/'));
    let answer = client.post(url).json(words).send().await;
    let answer = answer.map_err(unreachable)?;
    if !answer.status().is_success() {
        let status = answer.status();
        return Err(format!("gateway: {admin} answered {status}"));
    }
    answer.json().await.map_err(unreachable)
}
