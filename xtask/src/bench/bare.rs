//! One route, one upstream.

use crate::bench::lab::Lab;
use crate::bench::peers::nginx::Edge;
use crate::bench::peers::{haproxy, nginx};
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::alternate;

/// CPU time a request in relation to nginx's.
const BAR: f64 = 1.1;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let contestants = [
        lab.under_wrk("nginx", nginx::proxy(lab, Edge::Plain).await?),
        lab.plain_gateway().await?,
        lab.under_wrk(
            "haproxy",
            haproxy::proxy(lab, "haproxy", Edge::Plain, "", "").await?,
        ),
    ];
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [nginx, gateway, _] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let verdict = Verdict::at_most("1: CPU a request to nginx", gateway.cpu_to(nginx), BAR);
    Ok(Section::of_rounds(
        "bare",
        "Bare proxying",
        "One route, one upstream, HTTP/1.1 on both sides, access log and metrics on.",
        &measured,
        vec![verdict],
    ))
}
