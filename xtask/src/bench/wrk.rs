//! Load by wrk: HTTP/1.1 on connections that are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use crate::tools;

/// Connections that are kept open, over two threads.
pub(super) const CONNECTIONS: u32 = 64;

/// One run's arguments besides its length.
#[derive(Debug, Clone)]
pub(super) struct Wrk {
    pub(super) program: PathBuf,
    pub(super) url: String,
    /// A Lua file that makes the requests.
    pub(super) script: Option<PathBuf>,
}

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) requests: u64,
    /// Requests that were not answered with 2xx or 3xx.
    pub(super) failed: u64,
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Wrk {
    pub(super) fn new(program: &Path, url: String) -> Self {
        Self {
            program: program.to_owned(),
            url,
            script: None,
        }
    }

    /// Puts load on for some seconds.
    ///
    /// # Errors
    /// When wrk can't be run or understood.
    pub(super) async fn run(&self, seconds: u32) -> anyhow::Result<Load> {
        let mut command = Command::new(&self.program);
        command
            .args(["-t2", "--latency", "--timeout", "10s"])
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{seconds}s"));
        if let Some(script) = &self.script {
            command.arg("-s").arg(script);
        }
        let said = tools::output(command.arg(&self.url)).await?;
        parse(&said).with_context(|| format!("wrk said:\n{said}"))
    }
}

fn parse(said: &str) -> Option<Load> {
    let after = |start: &str| {
        let lines = said.lines().map(str::trim);
        lines.into_iter().find_map(|line| line.strip_prefix(start))
    };
    let requests = said.lines().find_map(|line| {
        let (count, rest) = line.trim().split_once(' ')?;
        rest.starts_with("requests in").then_some(count)
    })?;
    let wrong = match after("Non-2xx or 3xx responses: ") {
        Some(count) => count.parse().ok()?,
        None => 0,
    };
    let socket: u64 = match after("Socket errors: ") {
        // connect 0, read 3, write 0, timeout 0
        Some(kinds) => kinds
            .split(", ")
            .filter_map(|kind| kind.rsplit(' ').next()?.parse::<u64>().ok())
            .sum(),
        None => 0,
    };
    Some(Load {
        requests: requests.parse().ok()?,
        failed: wrong + socket,
        rate: after("Requests/sec:")?.trim().parse().ok()?,
        p50: time(after("50%")?)?,
        p99: time(after("99%")?)?,
    })
}

/// `12.34us`, `1.05ms`, `2.00s`.
pub(super) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|char: char| char.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
Running 1s test @ http://127.0.0.1:1/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.98ms    1.27ms  20.40ms   81.98%
  Latency Distribution
     50%    1.78ms
     75%    2.44ms
     90%    3.35ms
     99%  940.50us
  33961 requests in 1.10s, 5.41MB read
";

    #[test]
    fn a_good_run_is_understood() {
        let load = parse(&format!(
            "{SAID}Requests/sec:  30867.63\nTransfer/sec: 1MB\n"
        ));
        let expected = Load {
            requests: 33961,
            failed: 0,
            rate: 30867.63,
            p50: Duration::from_micros(1780),
            p99: Duration::from_nanos(940_500),
        };
        assert_eq!(load, Some(expected));
    }

    #[test]
    fn failures_of_either_kind_are_counted() {
        let said = format!(
            "{SAID}  Socket errors: connect 0, read 3, write 1, timeout 0\n  \
             Non-2xx or 3xx responses: 7\nRequests/sec: 1.0\n"
        );
        assert_eq!(parse(&said).map(|load| load.failed), Some(11));
    }

    #[test]
    fn something_else_is_not_understood() {
        assert_eq!(parse("unable to connect"), None);
    }
}
