//! A hundred thousand routes beside ten.

use std::fmt::Write as _;
use std::time::Instant;

use tokio::process::Command;

use crate::bench::lab::{Gateway, Lab};
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::{Client, Contestant, alternate};
use crate::bench::wrk::Wrk;
use crate::demo::ports;
use crate::tools;

const FEW: u32 = 10;
const MANY: u32 = 100_000;

/// CPU time a request with many routes in relation to few.
const CPU_BAR: f64 = 1.05;
/// Until nearly every route has been asked for on every worker: a route's counters are made by its first
/// request.
const WARM_UP_SECONDS: u32 = 30;

const COMPILE_BAR_SECONDS: f64 = 1.0;
const ROUTE_BAR_KIB: f64 = 1.0;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let few = start(lab, "routes-few", FEW).await?;
    let many = start(lab, "routes-many", MANY).await?;
    let memory = |gateway: &Gateway| gateway.server.memory().map(|memory| memory.resident_kib);
    let route_kib = memory(&many)?.saturating_sub(memory(&few)?) as f64 / f64::from(MANY - FEW);
    let compile = check(lab, &many).await? - check(lab, &few).await?;
    let contestants = [
        contestant(lab, "10 routes", few, FEW)?,
        contestant(lab, "100,000 routes", many, MANY)?,
    ];
    let [_, many] = &contestants;
    many.client.run(WARM_UP_SECONDS).await?;
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [few, many] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let verdicts = vec![
        Verdict::at_most("3: CPU a request to 10 routes", many.cpu_to(few), CPU_BAR),
        Verdict::in_units(
            "3: read, checked, compiled",
            compile,
            COMPILE_BAR_SECONDS,
            " s",
        ),
        Verdict::in_units("3: memory a route", route_kib, ROUTE_BAR_KIB, " KiB"),
    ];
    Ok(Section::of_rounds(
        "routes",
        "Table size",
        "`/service-N/items/{id}` for every N; requests go to all of them in turn. Compiling is the difference of \
         `gateway check` for both tables; memory that of resident pages once they serve.",
        &measured,
        verdicts,
    ))
}

async fn start(lab: &Lab, name: &str, count: u32) -> anyhow::Result<Gateway> {
    let [port] = ports::free()?;
    let mut table = format!(
        "listeners: [ {{ bind: \"127.0.0.1:{port}\" }} ]\n\
         upstreams: {{ shop: {{ endpoints: [\"http://127.0.0.1:{}\"] }} }}\nroutes:\n",
        lab.upstream.port
    );
    for number in 0..count {
        let _ = writeln!(
            table,
            "  - {{ match: {{ path: \"/service-{number}/items/{{id}}\" }}, to: {{ upstream: shop }} }}"
        );
    }
    lab.gateway(name, port, &table).await
}

/// Seconds of `gateway check`, the best of three.
async fn check(lab: &Lab, gateway: &Gateway) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        let mut command = Command::new(&lab.programs.gateway);
        tools::output(command.arg("check").arg(&gateway.table)).await?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn contestant(lab: &Lab, name: &str, gateway: Gateway, count: u32) -> anyhow::Result<Contestant> {
    // A step that has no divisor in common with the count comes by every route.
    let text = format!(
        "local next = 0\nfunction request()\n  next = (next + 7919) % {count}\n  \
         return wrk.format(\"GET\", \"/service-\" .. next .. \"/items/42\")\nend\n"
    );
    let url = format!("http://127.0.0.1:{}/", gateway.server.port);
    let wrk = Wrk {
        script: Some(lab.file(&format!("routes-{count}.lua"), &text)?),
        ..Wrk::new(&lab.programs.wrk, url)
    };
    Ok(Contestant {
        name: name.to_owned(),
        server: gateway.server,
        client: Client::Wrk(wrk),
    })
}
