//! Developer commands: `cargo xtask demo`, `cargo xtask suite`, `cargo xtask bench`, `cargo xtask dist`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks here"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod tools;
mod interrupt;
mod demo;
mod suite;
mod bench;
mod dist;

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                     build and start everything; https://localhost:8443
  cargo xtask demo --port-base 20000   the same on ports 20000 to 20020
  cargo xtask demo --smoke             start, walk through it over HTTPS, stop; exit code 0 or 1
  cargo xtask suite tls                hold the edge to Mozilla's intermediate configuration
  cargo xtask bench bare               what a request costs, beside nginx and HAProxy
  cargo xtask dist                     the gateway as it ships: target/dist/gateway";

/// Developer commands of Banyan.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the whole shop behind the gateway, on loopback.
    Demo(demo::Options),
    /// Holds a running gateway to a suite of somebody else's.
    Suite(suite::Options),
    /// Measures what the gateway costs, beside its peers.
    Bench(bench::Options),
    /// Builds the gateway as it ships: optimised by a profile of its own loads.
    Dist(dist::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Suite(options) => suite::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Dist(options) => dist::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
