//! From nothing to ready.

use std::time::{Duration, Instant};

use crate::bench::lab::Lab;
use crate::bench::median::median;
use crate::bench::report::{Section, Verdict};
use crate::demo::ports;

const STARTS: usize = 10;

const READY_BAR_MS: f64 = 100.0;
const RESIDENT_BAR_MIB: f64 = 25.0;

/// What a start leaves to be done is done by then.
const SETTLED: Duration = Duration::from_millis(500);

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let [port] = ports::free()?;
        let table = lab.one_route(port, "");
        let started = Instant::now();
        let gateway = lab.gateway("start", port, &table).await?;
        ready.push(started.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(SETTLED).await;
        resident.push(gateway.server.memory()?.resident_kib as f64 / 1024.0);
    }
    let (ready, resident) = (median(ready), median(resident));
    let row = vec![format!("{ready:.0} ms"), format!("{resident:.1} MiB")];
    let verdicts = vec![
        Verdict::in_units("10: to the first connection", ready, READY_BAR_MS, " ms"),
        Verdict::in_units("10: resident, idle", resident, RESIDENT_BAR_MIB, " MiB"),
    ];
    Ok(Section::new(
        "start",
        "Size and start",
        "The median of ten starts: from the process's start to its first connection, looked at every 5 ms; memory \
         half a second later.",
        &["first connection", "resident"],
        vec![row],
        verdicts,
    ))
}
