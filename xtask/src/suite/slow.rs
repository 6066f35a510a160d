//! Clients that take their time (`slowhttptest`): each is closed in time, and others are served meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use tokio::process::Command;

use crate::demo::ports;
use crate::suite::backend::Backend;
use crate::suite::run::Verdict;
use crate::suite::scene::{Scene, Stage, keep_output};
use crate::tools;

/// Slow connections of one attack, and how many a second are opened.
const CONNECTIONS: u32 = 200;
const RATE: u32 = 100;

/// Connections that may be there beside the slow ones: the tool's probe, asking whether the service is
/// available.
const PROBES: f64 = 2.0;

/// How often the gateway is asked for its connections.
const POLL: Duration = Duration::from_millis(500);

/// One way to be slow.
#[derive(Debug, Clone, Copy)]
struct Attack {
    /// Names its listener and its report too.
    name: &'static str,
    /// What makes it slow, in the tool's words.
    arguments: &'static [&'static str],
    scheme: &'static str,
    path: &'static str,
    /// From its start to the last connection's end: the gateway's limit, the time to open them all, the
    /// period of the gateway's own look at its connections, and something for a busy machine.
    closed_within: Duration,
}

/// A head may take 10 s, a body may stand still for 60 s, and so may reading.
const ATTACKS: [Attack; 5] = [
    Attack {
        name: "slow-headers",
        arguments: &["-H", "-i", "3", "-x", "24"],
        scheme: "http",
        path: "/",
        closed_within: Duration::from_secs(25),
    },
    Attack {
        name: "slow-headers-tls",
        arguments: &["-H", "-i", "3", "-x", "24"],
        scheme: "https",
        path: "/",
        closed_within: Duration::from_secs(25),
    },
    Attack {
        name: "slow-body",
        arguments: &["-B", "-i", "110", "-s", "8192", "-x", "10"],
        scheme: "http",
        path: "/",
        closed_within: Duration::from_secs(80),
    },
    Attack {
        name: "slow-read",
        arguments: &["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32"],
        scheme: "http",
        path: "/large",
        closed_within: Duration::from_secs(85),
    },
    Attack {
        name: "slow-read-tls",
        arguments: &["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32"],
        scheme: "https",
        path: "/large",
        closed_within: Duration::from_secs(85),
    },
];

/// # Errors
/// When the tool is missing.
pub(super) async fn tool() -> anyhow::Result<PathBuf> {
    tools::debian("slowhttptest", "slowhttptest").await
}

/// Runs all attacks at once, each on a listener of its own.
///
/// # Errors
/// When the gateway or the tool does not run.
pub(super) async fn play(tool: &Path, stage: Stage) -> anyhow::Result<Verdict> {
    let backend = Backend::start()?;
    let [admin, ports @ ..] = ports::free::<6>()?;
    let listeners: String = ATTACKS
        .iter()
        .zip(ports)
        .map(|(attack, port)| attack.listener(port))
        .collect();
    let table = format!(
        "listeners:\n{listeners}\
         upstreams: {{ backend: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: {{ prefix: / }}, to: {{ upstream: backend }} }}]\n",
        backend.url()
    );
    let scene = stage.start(admin, &table).await?;
    let attacks = ATTACKS.iter().zip(ports);
    let outcomes = join_all(attacks.map(|(attack, port)| attack.run(tool, &scene, port))).await;
    let left = scene.metric("gateway_requests_in_flight").await;
    scene.end().await;
    let failed: Vec<Vec<String>> = outcomes.into_iter().collect::<Result<_, _>>()?;
    let mut failed = failed.concat();
    // Of those that probe, none is left either.
    match left? {
        0.0 => {}
        left => failed.push(format!("{left} requests are still in flight")),
    }
    Ok(Verdict::of(ATTACKS.len(), failed))
}

impl Attack {
    fn listener(&self, port: u16) -> String {
        let tls = match self.scheme {
            "https" => ", tls: { cert: edge.pem, key: edge.key }",
            _ => "",
        };
        let name = self.name;
        format!("  - {{ name: {name}, bind: \"127.0.0.1:{port}\"{tls} }}\n")
    }

    /// What went wrong, if anything.
    async fn run(&self, tool: &Path, scene: &Scene, port: u16) -> anyhow::Result<Vec<String>> {
        let url = format!("{}://127.0.0.1:{port}{}", self.scheme, self.path);
        // The tool must still hold its connections when the gateway should have closed them.
        let length = self.closed_within + Duration::from_secs(5);
        let mut command = Command::new(tool);
        command
            .args(self.arguments)
            .args(["-c", &CONNECTIONS.to_string(), "-r", &RATE.to_string()])
            .args(["-p", "5", "-l", &length.as_secs().to_string()])
            .args(["-u", &url, "-g", "-o"])
            .arg(scene.report(self.name));
        let log = scene.report(&format!("{}.log", self.name));
        let limit = length + Duration::from_secs(30);
        let (attack, closed) = tokio::join!(
            keep_output(&mut command, limit, &log),
            self.all_closed(scene)
        );
        attack?;
        let mut failed = Vec::new();
        match closed? {
            Some(after) => println!("  {:<18} all closed after {} s", self.name, after.as_secs()),
            None => failed.push(format!(
                "{}: not all connections are closed after {} s",
                self.name,
                self.closed_within.as_secs()
            )),
        }
        let table = scene.report(&format!("{}.csv", self.name));
        let text = std::fs::read_to_string(&table)
            .with_context(|| format!("slowhttptest wrote no {}", table.display()))?;
        failed.extend(unavailable(&text)?.map(|second| {
            format!(
                "{}: the service was not available at second {second}",
                self.name
            )
        }));
        Ok(failed)
    }

    /// Waits until the connections have come and gone; by the gateway's own count, because the tool does
    /// not notice that a connection on which it reads slowly has been closed.
    async fn all_closed(&self, scene: &Scene) -> anyhow::Result<Option<Duration>> {
        let started = Instant::now();
        let mut most: f64 = 0.0;
        while started.elapsed() < self.closed_within {
            tokio::time::sleep(POLL).await;
            let open = scene.connections(self.name).await?;
            most = most.max(open);
            if most >= f64::from(CONNECTIONS) && open <= PROBES {
                return Ok(Some(started.elapsed()));
            }
        }
        if most < f64::from(CONNECTIONS) {
            bail!("{}: only {most} connections came about", self.name);
        }
        Ok(None)
    }
}

/// The first second at which a probe got no answer, by the tool's table.
fn unavailable(table: &str) -> anyhow::Result<Option<u64>> {
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let row: Vec<u64> = line
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("no row of slowhttptest: {line}"))?;
        let &[second, _closed, _pending, _connected, available] = &row[..] else {
            bail!("no row of slowhttptest: {line}");
        };
        rows += 1;
        if available == 0 {
            return Ok(Some(second));
        }
    }
    if rows == 0 {
        bail!("slowhttptest wrote an empty table");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Seconds,Closed,Pending,Connected,Service Available\n";

    #[test]
    fn a_table_tells_when_the_service_was_away() {
        let well = format!("{HEAD}0,0,1,0,200\n1,0,1,97,200\n2,3,0,94,200\n");
        assert_eq!(unavailable(&well).expect("a table"), None);
        let away = format!("{HEAD}0,0,1,0,200\n1,0,1,97,0\n");
        assert_eq!(unavailable(&away).expect("a table"), Some(1));
    }

    #[test]
    fn a_table_without_rows_proves_nothing() {
        assert!(unavailable(HEAD).is_err());
        assert!(unavailable("").is_err());
    }
}
