//! One route, one upstream.

use crate::bench::lab::Lab;
use crate::bench::peers::nginx::Edge;
use crate::bench::peers::{caddy, envoy, haproxy, nginx, traefik};
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::alternate;

/// CPU time a request in relation to nginx's.
const BAR: f64 = 1.1;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let mut contestants = vec![
        lab.under_wrk("nginx", nginx::proxy(lab, Edge::Plain).await?),
        lab.plain_gateway().await?,
        lab.under_wrk(
            "haproxy",
            haproxy::proxy(lab, "haproxy", Edge::Plain, "", "").await?,
        ),
    ];
    if lab.options.all_peers {
        contestants.push(lab.under_wrk("envoy", envoy::proxy(lab).await?));
        contestants.push(lab.under_wrk("traefik", traefik::proxy(lab).await?));
        contestants.push(lab.under_wrk("caddy", caddy::proxy(lab).await?));
    }
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [nginx, gateway, ..] = measured.as_slice() else {
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
