//! TLS: requests on connections that are kept, and full handshakes.

use std::fs::File;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::bench::lab::Lab;
use crate::bench::median::median;
use crate::bench::peers::nginx::Edge;
use crate::bench::peers::{haproxy, nginx};
use crate::bench::report::{Section, Verdict};
use crate::bench::rounds::{Client, Contestant, alternate};
use crate::bench::server::Server;
use crate::bench::wrk::Wrk;
use crate::demo::ports;

/// CPU time in relation to nginx's.
const BAR: f64 = 1.0;

/// Handshakes at once.
const CLIENTS: usize = 16;

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let contestants = edges(lab)
        .await?
        .map(|(name, server)| contestant(lab, name, server));
    let measured = alternate(&contestants, lab.options.rounds, lab.options.seconds).await?;
    let [nginx, gateway, _] = measured.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let handshakes = handshakes(lab, &contestants).await?;
    let [nginx_shakes, gateway_shakes, _] = handshakes.as_slice() else {
        anyhow::bail!("not every contestant was measured");
    };
    let verdicts = vec![
        Verdict::at_most("7: CPU a request to nginx", gateway.cpu_to(nginx), BAR),
        Verdict::at_most(
            "7: CPU a handshake to nginx",
            gateway_shakes / nginx_shakes,
            BAR,
        ),
    ];
    let named = contestants.iter().zip(&handshakes);
    let shakes: Vec<String> = named
        .map(|(contestant, cpu)| format!("{} {cpu:.0} µs", contestant.name))
        .collect();
    Ok(Section::of_rounds(
        "tls",
        "TLS at the edge",
        format!(
            "HTTP/1.1 over TLS 1.3, ECDSA on P-256, one route. CPU of a full handshake, without resumption: {}.",
            shakes.join(", ")
        ),
        &measured,
        verdicts,
    ))
}

pub(super) fn contestant(lab: &Lab, name: &str, server: Server) -> Contestant {
    let url = format!("https://localhost:{}/", server.port);
    Contestant {
        name: name.to_owned(),
        server,
        client: Client::Wrk(Wrk::new(&lab.programs.wrk, url)),
    }
}

/// The gateway with a TLS edge.
pub(super) async fn gateway(lab: &Lab) -> anyhow::Result<Server> {
    let [port] = ports::free()?;
    let table = lab.one_route(port, &of_listener(lab));
    Ok(lab.gateway("tls", port, &table).await?.server)
}

/// The contestants with a TLS edge; nginx first.
pub(super) async fn edges(lab: &Lab) -> anyhow::Result<[(&'static str, Server); 3]> {
    Ok([
        ("nginx", nginx::proxy(lab, Edge::Tls).await?),
        ("gateway", gateway(lab).await?),
        (
            "haproxy",
            haproxy::proxy(lab, "haproxy-tls", Edge::Tls, "", "").await?,
        ),
    ])
}

/// What a listener with the lab's certificate says in a route table.
pub(super) fn of_listener(lab: &Lab) -> String {
    let folder = lab.path().display();
    format!(", tls: {{ cert: \"{folder}/edge.pem\", key: \"{folder}/edge.key\" }}")
}

/// Connects without ever resuming a session.
pub(super) fn connector(lab: &Lab, protocols: &[&[u8]]) -> anyhow::Result<Arc<TlsConnector>> {
    let mut roots = RootCertStore::empty();
    let file = File::open(lab.folder.ca()).context("no authority")?;
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(TlsConnector::from(Arc::new(config))))
}

/// Microseconds of CPU time a full handshake, for each contestant.
async fn handshakes(lab: &Lab, contestants: &[Contestant]) -> anyhow::Result<Vec<f64>> {
    let connector = connector(lab, &[b"http/1.1".as_slice()])?;
    let mut costs = vec![Vec::new(); contestants.len()];
    for _ in 0..lab.options.rounds {
        for (contestant, costs) in contestants.iter().zip(&mut costs) {
            let server = &contestant.server;
            let before = server.cpu()?;
            let until = Instant::now() + Duration::from_secs(u64::from(lab.options.seconds));
            let clients = (0..CLIENTS).map(|_| shake_until(server.port, &connector, until));
            let mut count = 0;
            for client in join_all(clients).await {
                count += client?;
            }
            let cpu = server.cpu()?.saturating_sub(before).as_secs_f64() * 1e6;
            println!("  {:<10} {count} handshakes", contestant.name);
            costs.push(cpu / f64::from(count.max(1)));
        }
    }
    Ok(costs.into_iter().map(median).collect())
}

async fn shake_until(port: u16, connector: &TlsConnector, until: Instant) -> anyhow::Result<u32> {
    let mut count = 0;
    while Instant::now() < until {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        // The port goes back at once: there are fewer ports than handshakes.
        tcp.set_zero_linger()?;
        let name = ServerName::try_from("localhost")?;
        drop(connector.connect(name, tcp).await?);
        count += 1;
    }
    Ok(count)
}
