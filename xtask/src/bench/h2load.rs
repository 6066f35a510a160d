//! Load by h2load: HTTP/2 over TLS.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::wrk::{Load, time};
use crate::tools;

/// Connections, and requests at once on each.
const CONNECTIONS: u32 = 32;
const STREAMS: u32 = 8;

/// One run's arguments besides its length.
#[derive(Debug)]
pub(super) struct H2load {
    pub(super) program: PathBuf,
    pub(super) url: String,
}

impl H2load {
    /// Puts load on for some seconds.
    ///
    /// # Errors
    /// When h2load can't be run or understood.
    pub(super) async fn run(&self, seconds: u32) -> anyhow::Result<Load> {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-m{STREAMS}"))
            .arg(format!("-D{seconds}"))
            .args(["-t2", "--connection-inactivity-timeout=10"])
            .arg(&self.url);
        let said = tools::output(&mut command).await?;
        parse(&said).with_context(|| format!("h2load said:\n{said}"))
    }
}

/// Reads h2load's summary. It gives no percentiles: the mean stands for the middle, the longest for the
/// end.
fn parse(said: &str) -> Option<Load> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let finished = line("finished in ")?;
    let rate = finished.split(", ").nth(1)?.strip_suffix(" req/s")?;
    let counts: Vec<(&str, u64)> = line("requests: ")?
        .split(", ")
        .filter_map(|count| {
            let (count, kind) = count.split_once(' ')?;
            Some((kind, count.parse().ok()?))
        })
        .collect();
    let count = |wanted: &str| counts.iter().find(|(kind, _)| *kind == wanted);
    // min, max, mean, sd, and the share within one deviation.
    let times: Vec<&str> = line("time for request:")?
        .split_ascii_whitespace()
        .collect();
    let codes = line("status codes: ")?;
    let good = codes.split(", ").next()?.strip_suffix(" 2xx")?;
    let requests = count("succeeded")?.1;
    let wrong = requests.saturating_sub(good.parse().ok()?);
    Some(Load {
        requests,
        failed: wrong + count("failed")?.1 + count("errored")?.1,
        rate: rate.parse().ok()?,
        p50: times.get(2).and_then(|mean| time(mean))?,
        p99: times
            .get(1)
            .and_then(|max| time(max))
            .unwrap_or(Duration::ZERO),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
starting benchmark...
finished in 1.00s, 12345.67 req/s, 1.52MB/s
requests: 12400 total, 12346 started, 12346 done, 12340 succeeded, 6 failed, 2 errored, 0 timeout
status codes: 12338 2xx, 0 3xx, 2 4xx, 0 5xx
traffic: 1.52MB (1592634) total, 217.02KB (222228) headers (space savings 88.47%), 337.58KB (345688) data
                     min         max         mean         sd        +/- sd
time for request:      250us     12.34ms      1.50ms      1.02ms    80.00%
";

    #[test]
    fn a_run_is_understood() {
        let expected = Load {
            requests: 12340,
            failed: 10,
            rate: 12345.67,
            p50: Duration::from_micros(1500),
            p99: Duration::from_micros(12_340),
        };
        assert_eq!(parse(SAID), Some(expected));
        assert_eq!(parse("nothing"), None);
    }
}
