//! HTTP/2 over TLS.

use crate::bench::h2load::H2load;
use crate::bench::lab::Lab;
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::{Client, Contestant, alternate};
use crate::bench::server::Server;
use crate::bench::tls;

/// CPU time a request in relation to nginx's.
const BAR: f64 = 1.0;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let contestants = tls::edges(lab)
        .await?
        .map(|(name, server)| contestant(lab, name, server));
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [nginx, gateway, haproxy] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let verdicts = vec![
        Verdict::at_most("7: CPU a request to nginx", gateway.cpu_to(nginx), BAR),
        Verdict::at_most("7: CPU a request to HAProxy", gateway.cpu_to(haproxy), BAR),
    ];
    Ok(Section::of_rounds(
        "h2",
        "HTTP/2 at the edge",
        "32 connections over TLS with 8 requests at once on each, HTTP/1.1 to the upstream. h2load gives no \
         percentiles: the columns hold mean and longest.",
        &measured,
        verdicts,
    ))
}

pub(super) fn contestant(lab: &Lab, name: &str, server: Server) -> Contestant {
    let h2load = H2load {
        program: lab.programs.h2load.clone(),
        url: format!("https://localhost:{}/", server.port),
    };
    Contestant {
        name: name.to_owned(),
        server,
        client: Client::H2load(h2load),
    }
}
