//! Mirroring everything: what it costs the requests that are mirrored.

use std::time::Duration;

use crate::bench::lab::Lab;
use crate::bench::paced::Paced;
use crate::bench::peers::nginx;
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::{Client, Contestant, Measured, alternate};
use crate::bench::stub::Stub;
use crate::demo::ports;

/// p99 in relation to that without a mirror.
const BAR: f64 = 1.1;

/// Resident memory in relation to that without a mirror, in MiB more: the bounds of what waits.
const MEMORY_BAR_MIB: f64 = 64.0;

/// How long the slow mirror takes.
const SLOW: Duration = Duration::from_millis(200);

/// Seconds of full load that show what can be done.
const CAPACITY_SECONDS: u32 = 3;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let healthy = nginx::mirror(&lab.programs.nginx, lab.path()).await?;
    let (slow, hung) = (Stub::start(Some(SLOW)).await?, Stub::start(None).await?);
    let capacity = {
        let plain = lab.plain_gateway().await?;
        let eager = Paced {
            port: plain.server.port,
            rate: f64::INFINITY,
        };
        eager.run(CAPACITY_SECONDS).await?.rate
    };
    let mirrors = [
        ("no mirror", None),
        ("healthy", Some(healthy.port)),
        ("slow (200 ms)", Some(slow.port)),
        ("hung", Some(hung.port)),
    ];
    let mut contestants = Vec::new();
    for (index, (name, mirror)) in mirrors.into_iter().enumerate() {
        contestants.push(contestant(lab, index, name, mirror, capacity / 2.0).await?);
    }
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let mut memory = Vec::new();
    for contestant in &contestants {
        memory.push(contestant.server.memory()?.resident_kib as f64 / 1024.0);
    }
    let [plain, mirrored @ ..] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let mut verdicts: Vec<Verdict> = mirrored
        .iter()
        .map(|one| {
            let what = format!("5: p99 with the mirror {}", one.name);
            Verdict::at_most(&what, one.p99_to(plain), BAR)
        })
        .collect();
    let own = memory.first().copied().unwrap_or_default();
    let most = memory.iter().copied().fold(own, f64::max);
    verdicts.push(Verdict::in_units(
        "5: memory of mirroring",
        most - own,
        MEMORY_BAR_MIB,
        " MiB",
    ));
    let rows = measured
        .iter()
        .zip(&memory)
        .map(|(one, memory)| row(one, plain, *memory));
    Ok(Section::new(
        "mirror",
        "Mirroring everything",
        format!(
            "Every request is copied to a second upstream. {:.0} requests/s on 64 connections, half of what the machine \
             can do, each at its own time whether the one before is answered or not. The healthy mirror runs on the same two cores, \
             at the lowest priority.",
            capacity / 2.0
        ),
        &[
            "mirror",
            "p50",
            "p99",
            "ratio",
            "µs CPU a request",
            "MiB",
            "failed",
        ],
        rows.collect(),
        verdicts,
    ))
}

async fn contestant(
    lab: &Lab,
    index: usize,
    name: &str,
    mirror: Option<u16>,
    rate: f64,
) -> anyhow::Result<Contestant> {
    let [port] = ports::free()?;
    let mut table = lab.one_route(port, "");
    if let Some(mirror) = mirror {
        table = table
            .replace(
                "upstreams: { ",
                &format!(
                    "upstreams: {{ mirror: {{ endpoints: [\"http://127.0.0.1:{mirror}\"] }}, "
                ),
            )
            .replace(
                "to: { upstream: shop }",
                "to: { upstream: shop }, mirror: { upstream: mirror }",
            );
    }
    let gateway = lab
        .gateway(&format!("mirror-{index}"), port, &table)
        .await?;
    Ok(Contestant {
        name: name.to_owned(),
        server: gateway.server,
        client: Client::Paced(Paced { port, rate }),
    })
}

fn row(one: &Measured, plain: &Measured, memory: f64) -> Vec<String> {
    vec![
        one.name.clone(),
        format!("{:.2?}", one.p50()),
        format!("{:.2?}", one.p99()),
        format!("{:.2}", one.p99_to(plain)),
        format!("{:.1}", one.cpu()),
        format!("{memory:.1}"),
        one.failed().to_string(),
    ]
}
