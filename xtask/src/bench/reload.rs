//! A hundred reloads under full load.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::bench::lab::{Gateway, Lab};
use crate::bench::median::median;
use crate::bench::report::{Section, Verdict};
use crate::bench::wrk::{Load, Wrk};
use crate::demo::ports;

const RELOADS: u32 = 100;

/// Seconds over which they come.
const SECONDS: u32 = 10;

/// p99 with reloads in relation to without.
const BAR: f64 = 1.2;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let [port] = ports::free()?;
    let gateway = lab
        .gateway("reload", port, &lab.one_route(port, ""))
        .await?;
    let wrk = Wrk::new(&lab.programs.wrk, format!("http://127.0.0.1:{port}/"));
    wrk.run(2).await?;
    let (mut calm, mut edited) = (Vec::new(), Vec::new());
    for round in 1..=lab.options.rounds {
        calm.push(wrk.run(SECONDS).await?);
        edited.push(with_reloads(&gateway, &wrk).await?);
        let p99 = |loads: &[Load]| loads.last().map(|load| load.p99).unwrap_or_default();
        println!(
            "  {round}/{} p99 {:?} without, {:?} with {RELOADS} reloads",
            lab.options.rounds,
            p99(&calm),
            p99(&edited)
        );
    }
    let ratios = calm.iter().zip(&edited);
    let ratios = ratios.map(|(calm, edited)| edited.p99.as_secs_f64() / calm.p99.as_secs_f64());
    let failed: u64 = edited.iter().map(|load| load.failed).sum();
    let verdicts = vec![
        Verdict::at_most("4: p99 to no reloads", median(ratios.collect()), BAR),
        Verdict::in_units("4: failed requests", failed as f64, 0.0, ""),
    ];
    let rows = [("without", &calm), (("100 reloads in 10 s"), &edited)];
    let rows = rows.map(|(name, loads)| row(name, loads)).to_vec();
    Ok(Section::new(
        "reload",
        "Reloads under load",
        "64 connections as fast as they can; another table each 100 ms.",
        &["", "requests/s", "p50", "p99", "failed"],
        rows,
        verdicts,
    ))
}

/// Load while the table is edited, each edit another table.
async fn with_reloads(gateway: &Gateway, wrk: &Wrk) -> anyhow::Result<Load> {
    let table = fs::read_to_string(&gateway.table)?;
    let edits = async {
        let pause = Duration::from_secs(u64::from(SECONDS)) / RELOADS;
        let mut ticks = tokio::time::interval(pause);
        for edit in 0..RELOADS {
            ticks.tick().await;
            let route = format!(
                "  - {{ match: {{ path: /edit-{edit} }}, to: {{ respond: {{ status: 204 }} }} }}\n"
            );
            let edited = table
                .replace("routes: [ ", "routes:\n  - ")
                .replace(" } ]\n", " }\n");
            // Renamed over the old one, as editors do: nobody reads half of it.
            let new = gateway.table.with_extension("new");
            fs::write(&new, edited + &route)?;
            fs::rename(&new, &gateway.table)?;
            gateway.server.signal(Signal::HUP)?;
        }
        anyhow::Ok(())
    };
    let (load, edits) = tokio::join!(wrk.run(SECONDS), edits);
    edits?;
    fs::write(&gateway.table, table)?;
    load
}

fn row(name: &str, loads: &[Load]) -> Vec<String> {
    let middle = |value: fn(&Load) -> f64| median(loads.iter().map(value).collect());
    let failed: u64 = loads.iter().map(|load| load.failed).sum();
    let time = |seconds| format!("{:.2?}", Duration::from_secs_f64(seconds));
    vec![
        name.to_owned(),
        format!("{:.0}", middle(|load| load.rate)),
        time(middle(|load| load.p50.as_secs_f64())),
        time(middle(|load| load.p99.as_secs_f64())),
        failed.to_string(),
    ]
}
