//! Runs the matrix and judges it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::{Client, Method};
use tests::{Authority, Gateway, PATIENCE, eventually};

use super::UPSTREAMS;
use super::server::{BODY, Fault, Server, Upstream};
use crate::GATEWAY;

/// How long a route waits for an answer.
const TIMEOUT: &str = "1s";

/// More than sockets and windows swallow.
const UPLOAD_BYTES: usize = 4 * 1024 * 1024;

/// Requests of each kind: more than an upstream has permits.
const ROUNDS: usize = 2;

/// What the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Problem details of the gateway.
    Problem(u16),
    /// The upstream's own, to its last byte.
    Whole(u16),
    /// The upstream's head, and a body that visibly breaks off.
    Broken(u16),
}

/// What a fault must look like from outside.
struct Expected {
    answer: Answer,
    /// In the log, in the metric, and in the header where there still is one to be sent.
    reason: Option<&'static str>,
}

fn expected(fault: Fault) -> Expected {
    let (answer, reason) = match fault {
        Fault::Refused => (Answer::Problem(502), Some("upstream_unreachable")),
        Fault::Hung => (Answer::Problem(504), Some("upstream_timeout")),
        Fault::ResetBeforeHead => (Answer::Problem(502), Some("upstream_reset")),
        Fault::CutHead => (Answer::Problem(502), Some("upstream_reset")),
        Fault::ResetInBody | Fault::Truncated => {
            (Answer::Broken(200), Some("upstream_body_broken"))
        }
        Fault::Garbage | Fault::InterimStorm => (Answer::Problem(502), Some("upstream_malformed")),
        Fault::Early => (Answer::Whole(403), None),
        Fault::Slow => (Answer::Whole(200), None),
    };
    Expected { answer, reason }
}

/// One cell: an upstream that fails in one way.
struct Cell {
    name: String,
    upstream: Upstream,
    fault: Fault,
    server: Server,
}

impl Cell {
    async fn start(upstream: Upstream, fault: Fault, authority: &Authority) -> Self {
        Self {
            name: format!("{}-{fault:?}", upstream.name).to_lowercase(),
            upstream,
            fault,
            server: upstream.start(fault, authority).await,
        }
    }

    /// Asks over both of the client's protocols, several times, and returns what was wrong.
    async fn run(&self, gateway: &Gateway) -> Vec<String> {
        let mut wrong = Vec::new();
        let clients = [
            ("http1", gateway.http1_client()),
            ("http2", gateway.client()),
        ];
        for round in 0..ROUNDS {
            for (downstream, client) in &clients {
                let path = format!("/{}/{downstream}/{round}", self.name);
                let outcome = self.judge(gateway, client, &path).await;
                wrong.extend(outcome.err().map(|why| format!("{path}: {why}")));
            }
        }
        wrong
    }

    async fn judge(&self, gateway: &Gateway, client: &Client, path: &str) -> Result<(), String> {
        let expected = expected(self.fault);
        let (answer, header) = self.ask(client, &gateway.https(path)).await;
        if answer != Some(expected.answer) {
            return Err(format!("{answer:?}, not {:?}", expected.answer));
        }
        let named = matches!(expected.answer, Answer::Problem(_));
        if header.as_deref() != expected.reason.filter(|_| named) {
            return Err(format!("X-Gateway-Error: {header:?}"));
        }
        let line = gateway.access_line(path).await;
        if line["failure"].as_str() != expected.reason {
            return Err(format!("logged {line}"));
        }
        Ok(())
    }

    /// Sends one request, and says what came of it and what the gateway called it.
    async fn ask(&self, client: &Client, url: &str) -> (Option<Answer>, Option<String>) {
        // Not repeated by the gateway, so that each is one attempt; with a body where that matters.
        let request = match self.fault {
            Fault::Early => client.post(url).body(vec![b'x'; UPLOAD_BYTES]),
            _ => client.request(Method::POST, url),
        };
        let Ok(response) = request.send().await else {
            return (None, None);
        };
        let status = response.status().as_u16();
        let header = response.headers().get("x-gateway-error");
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        let answer = match response.text().await {
            Err(_) => Answer::Broken(status),
            Ok(body) if body == BODY => Answer::Whole(status),
            Ok(body) if is_problem(&body, status, header.as_deref()) => Answer::Problem(status),
            Ok(_) => return (None, header),
        };
        (Some(answer), header)
    }
}

/// Problem details that agree with status line and header.
fn is_problem(body: &str, status: u16, header: Option<&str>) -> bool {
    serde_json::from_str::<serde_json::Value>(body)
        .is_ok_and(|problem| problem["status"] == status && problem["code"].as_str() == header)
}

fn table(cells: &[Cell], ca: &str) -> String {
    let upstreams = cells.iter();
    let upstreams: String = upstreams
        .map(|cell| cell.upstream.row(&cell.name, &cell.server, ca))
        .collect();
    let routes = cells.iter().map(|cell| &cell.name);
    let routes: String = routes
        .map(|name| {
            format!(
                "  - {{ match: {{ prefix: /{name} }}, to: {{ upstream: {name} }}, timeout: {TIMEOUT} }}\n"
            )
        })
        .collect();
    format!("upstreams:\n{upstreams}routes:\n{routes}")
}

#[tokio::test]
async fn every_fault_of_an_upstream_is_answered_named_and_cleared_away() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let mut cells = Vec::new();
    for upstream in UPSTREAMS {
        for fault in Fault::ALL {
            cells.push(Cell::start(upstream, fault, &authority).await);
        }
    }
    let table = table(&cells, &ca.display().to_string());
    let mut gateway = Gateway::start(GATEWAY, &table).await;

    let wrong = join_all(cells.iter().map(|cell| cell.run(&gateway))).await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    assert_counted(&gateway, &cells).await;
    assert_nothing_left(&gateway).await;
    gateway.assert_sound();
}

/// The metric has every failure under its reason, and none more.
async fn assert_counted(gateway: &Gateway, cells: &[Cell]) {
    let mut by_reason = BTreeMap::new();
    for reason in cells.iter().filter_map(|cell| expected(cell.fault).reason) {
        // Over both of the client's protocols.
        *by_reason.entry(reason).or_insert(0) += 2 * ROUNDS;
    }
    let all: usize = by_reason.values().sum();
    for (reason, count) in by_reason {
        let label = format!("reason=\"{reason}\"");
        counted(gateway, &[&label], count).await;
    }
    counted(gateway, &[], all).await;
}

async fn counted(gateway: &Gateway, labels: &[&str], count: usize) {
    let what = format!("{count} failures counted of {labels:?}");
    eventually(&what, PATIENCE, async || {
        let found = gateway.metric("gateway_failures_total", labels).await;
        (found - count as f64).abs().lt(&0.1).then_some(())
    })
    .await;
}

/// Requests, permits, and connections once they have been idle for their second.
async fn assert_nothing_left(gateway: &Gateway) {
    for gauge in ["gateway_requests_in_flight", "gateway_upstream_connections"] {
        eventually(gauge, PATIENCE, async || {
            let left = gateway.metric(gauge, &[]).await;
            (left.abs() < 0.1).then_some(())
        })
        .await;
    }
    let page = gateway.admin("/upstreams").await.expect(200).json();
    for upstream in page["items"].as_array().unwrap() {
        for endpoint in upstream["endpoints"].as_array().unwrap() {
            assert_eq!(endpoint["in_flight"], 0, "{upstream}");
        }
    }
}
