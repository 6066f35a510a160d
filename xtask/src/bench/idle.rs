//! Ten thousand connections that do nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::bench::lab::Lab;
use crate::bench::peers::nginx::{self, Edge};
use crate::bench::report::{Section, Verdict};
use crate::bench::server::Server;
use crate::bench::tls;
use crate::demo::ports;

const CONNECTIONS: u32 = 10_000;

/// How long they wait before they are counted: a server may give up what it holds for a connection only
/// when that has been idle for a while.
const REST: Duration = Duration::from_secs(5);

const PLAIN_BAR_KIB: f64 = 12.0;
const TLS_BAR_KIB: f64 = 40.0;

/// Anything that is read from and written to.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub(super) async fn measure(lab: &Lab) -> anyhow::Result<Section> {
    let mut rows = Vec::new();
    let mut verdicts = Vec::new();
    for (edge, what, bar) in [
        (Edge::Plain, "plain", PLAIN_BAR_KIB),
        (Edge::Tls, "TLS", TLS_BAR_KIB),
    ] {
        let gateway = one_connection_kib(lab, edge, &gateway(lab, edge).await?).await?;
        let nginx = one_connection_kib(lab, edge, &nginx::proxy(lab, edge).await?).await?;
        println!("  {what}: gateway {gateway:.1} KiB, nginx {nginx:.1} KiB a connection");
        rows.push(vec![
            what.to_owned(),
            format!("{gateway:.1} KiB"),
            format!("{nginx:.1} KiB"),
        ]);
        let what = format!("6: memory a connection, {what}");
        verdicts.push(Verdict::in_units(&what, gateway, bar, " KiB"));
    }
    Ok(Section::new(
        "idle",
        "Idle connections",
        format!(
            "10,000 connections that have had one answer each and have then waited for {} s; growth of resident memory, a connection.",
            REST.as_secs()
        ),
        &["", "gateway", "nginx"],
        rows,
        verdicts,
    ))
}

async fn gateway(lab: &Lab, edge: Edge) -> anyhow::Result<Server> {
    let [port] = ports::free()?;
    let (name, tls) = match edge {
        Edge::Plain => ("idle", String::new()),
        Edge::Tls => ("idle-tls", tls::of_listener(lab)),
    };
    // Longer than the bench: nothing may be closed while it is counted.
    let listener = format!("{tls}, timeouts: {{ idle: 600s }}");
    Ok(lab
        .gateway(name, port, &lab.one_route(port, &listener))
        .await?
        .server)
}

/// How much memory of `server` each of many idle connections takes, in KiB.
async fn one_connection_kib(lab: &Lab, edge: Edge, server: &Server) -> anyhow::Result<f64> {
    let connector = tls::connector(lab, &[b"http/1.1".as_slice()])?;
    // What the first requests bring along is not the connections'.
    drop(open(server.port, edge, &connector).await?);
    let before = server.memory()?.proportional_kib;
    let mut kept = Vec::new();
    for _ in 0..CONNECTIONS {
        kept.push(open(server.port, edge, &connector).await?);
    }
    tokio::time::sleep(REST).await;
    let after = server.memory()?.proportional_kib;
    Ok(after.saturating_sub(before) as f64 / f64::from(CONNECTIONS))
}

/// Opens a connection, asks once, reads the answer.
async fn open(
    port: u16,
    edge: Edge,
    connector: &Arc<TlsConnector>,
) -> anyhow::Result<Box<dyn Stream>> {
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .context("cannot connect; are there enough file descriptors (ulimit -n 20000)?")?;
    let mut stream: Box<dyn Stream> = match edge {
        Edge::Plain => Box::new(tcp),
        Edge::Tls => {
            let name = ServerName::try_from("localhost")?;
            Box::new(connector.connect(name, tcp).await?)
        }
    };
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await?;
    let mut answer = [0; 2048];
    let read = stream.read(&mut answer).await?;
    anyhow::ensure!(
        answer.starts_with(b"HTTP/1.1 200") && read > 0,
        "no good answer"
    );
    Ok(stream)
}
