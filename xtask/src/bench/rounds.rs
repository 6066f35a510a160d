//! Rounds: every contestant in turn, again and again, so that a drifting machine drifts for all.

use std::time::Duration;

use crate::bench::h2load::H2load;
use crate::bench::median::median;
use crate::bench::paced::Paced;
use crate::bench::server::Server;
use crate::bench::wrk::{Load, Wrk};

/// Seconds of load before the first round: connections are open and caches warm by then.
const WARM_UP_SECONDS: u32 = 2;

/// What puts load on.
#[derive(Debug)]
pub(super) enum Client {
    Wrk(Wrk),
    H2load(H2load),
    Paced(Paced),
}

/// A server under load.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) client: Client,
}

/// One contestant in one round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Microseconds of CPU time a request.
    cpu: f64,
    load: Load,
}

/// One contestant in all rounds.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) name: String,
    samples: Vec<Sample>,
}

impl Client {
    pub(super) async fn run(&self, seconds: u32) -> anyhow::Result<Load> {
        match self {
            Self::Wrk(wrk) => wrk.run(seconds).await,
            Self::H2load(h2load) => h2load.run(seconds).await,
            Self::Paced(paced) => paced.run(seconds).await,
        }
    }
}

/// Measures each contestant `rounds` times.
///
/// # Errors
/// When a contestant ends, or the client can't be understood.
pub(super) async fn alternate(
    contestants: &[Contestant],
    rounds: u32,
    seconds: u32,
) -> anyhow::Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = contestants
        .iter()
        .map(|contestant| Measured {
            name: contestant.name.clone(),
            samples: Vec::new(),
        })
        .collect();
    for contestant in contestants {
        contestant.client.run(WARM_UP_SECONDS).await?;
    }
    for round in 1..=rounds {
        for (contestant, measured) in contestants.iter().zip(&mut measured) {
            let before = contestant.server.cpu()?;
            let load = contestant.client.run(seconds).await?;
            let cpu = contestant.server.cpu()?.saturating_sub(before);
            let sample = Sample {
                cpu: cpu.as_secs_f64() * 1e6 / load.requests.max(1) as f64,
                load,
            };
            println!(
                "  {round}/{rounds} {:<22} {:6.2} µs CPU a request, {:7.0} requests/s",
                contestant.name, sample.cpu, load.rate
            );
            measured.samples.push(sample);
        }
    }
    Ok(measured)
}

impl Measured {
    /// Microseconds of CPU time a request: the median.
    pub(super) fn cpu(&self) -> f64 {
        self.median(|sample| sample.cpu)
    }

    pub(super) fn rate(&self) -> f64 {
        self.median(|sample| sample.load.rate)
    }

    pub(super) fn p50(&self) -> Duration {
        Duration::from_secs_f64(self.median(|sample| sample.load.p50.as_secs_f64()))
    }

    pub(super) fn p99(&self) -> Duration {
        Duration::from_secs_f64(self.median(|sample| sample.load.p99.as_secs_f64()))
    }

    pub(super) fn failed(&self) -> u64 {
        self.samples.iter().map(|sample| sample.load.failed).sum()
    }

    /// CPU time a request in relation to another's: the median of the rounds' own ratios.
    pub(super) fn cpu_to(&self, other: &Self) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(own, other)| own.cpu / other.cpu).collect())
    }

    /// p99 in relation to another's, likewise.
    pub(super) fn p99_to(&self, other: &Self) -> f64 {
        let p99 = |sample: &Sample| sample.load.p99.as_secs_f64();
        let pairs = self.samples.iter().zip(&other.samples);
        median(pairs.map(|(own, other)| p99(own) / p99(other)).collect())
    }

    fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value).collect())
    }
}
