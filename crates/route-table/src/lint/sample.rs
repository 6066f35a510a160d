//! Requests that a row is there for: they have what it asks, and nothing that another row could ask beside it.
//!
//! What a pattern leaves open is filled with words that nobody writes into a table, so that a row that takes
//! such a request takes every request which differs in those words alone.

use std::collections::HashSet;
use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, header};
use ipnet::IpNet;

use crate::matcher::RequestFacts;
use crate::table::{Conditions, HostPattern, PathKind, Route, Segment, Table};

/// Stands for whatever a pattern leaves open.
const ANYTHING: &str = "any-7d1e";

/// One of them.
#[derive(Debug, Clone)]
pub struct Sample {
    pub method: Method,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub client_ip: IpAddr,
}

impl Sample {
    /// The request, as a table is asked about it.
    #[must_use]
    pub fn facts(&self) -> RequestFacts<'_> {
        RequestFacts {
            host: &self.host,
            path: &self.path,
            method: &self.method,
            headers: &self.headers,
            query: self.query.as_deref(),
            client_ip: self.client_ip,
        }
    }
}

/// Makes the requests of a table's rows.
#[derive(Debug)]
pub struct Sampler {
    /// An address that no row asks for.
    anybody: Option<IpAddr>,
}

impl Sampler {
    /// Looks through the table once for the addresses that its rows ask for.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        // Documentation's own (RFC 5737, RFC 3849).
        let candidates = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"];
        let mut candidates = candidates.iter().filter_map(|text| text.parse().ok());
        let rows = table.routes.iter();
        let conditions = rows.filter_map(|row| row.matches.conditions.as_ref());
        let networks = conditions.flat_map(|conditions| &conditions.client_ips);
        let networks: HashSet<&IpNet> = networks.filter(|one| one.prefix_len() > 0).collect();
        let is_free = |address: &IpAddr| !networks.iter().any(|one| one.contains(address));
        Self {
            anybody: candidates.find(is_free),
        }
    }

    /// The requests of a row, one for each of its methods; a row that takes all methods has one that nobody
    /// has heard of among them. Empty where none can be made: the row's path is a regular expression, or
    /// other rows tell all client addresses apart.
    #[must_use]
    pub fn samples(&self, route: &Route) -> Vec<Sample> {
        let nothing = Conditions::default();
        let conditions = route.matches.conditions.as_deref().unwrap_or(&nothing);
        let own_ip = conditions.client_ips.first().map(IpNet::addr);
        match (path(route), own_ip.or(self.anybody)) {
            (Some(path), Some(client_ip)) => samples(route, conditions, path, client_ip),
            _ => Vec::new(),
        }
    }
}

fn samples(route: &Route, conditions: &Conditions, path: String, client_ip: IpAddr) -> Vec<Sample> {
    let sample = Sample {
        method: Method::GET,
        host: host(&route.matches.host),
        path,
        query: query(conditions),
        headers: headers(conditions),
        client_ip,
    };
    let with = |method: &Method| Sample {
        method: method.clone(),
        ..sample.clone()
    };
    if conditions.methods.is_empty() {
        let unheard_of = Method::from_bytes(b"ANY7D1E").ok();
        return [Some(Method::GET), unheard_of]
            .iter()
            .flatten()
            .map(with)
            .collect();
    }
    conditions.methods.iter().map(with).collect()
}

fn host(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Any => format!("{ANYTHING}.invalid"),
        HostPattern::Suffix(suffix) => format!("{ANYTHING}{suffix}"),
        HostPattern::Exact(host) => host.to_string(),
    }
}

fn path(route: &Route) -> Option<String> {
    let pattern = &route.matches.path;
    if matches!(pattern.kind, PathKind::Regex(_)) {
        return None;
    }
    let mut path = String::new();
    for segment in pattern.segments() {
        path.push('/');
        path.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Param(_) | Segment::Rest(_) => ANYTHING,
        });
    }
    Some(path)
}

fn query(conditions: &Conditions) -> Option<String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for wanted in &conditions.query {
        query.append_pair(&wanted.name, wanted.value.as_deref().unwrap_or(ANYTHING));
    }
    Some(query.finish()).filter(|query| !query.is_empty())
}

fn headers(conditions: &Conditions) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = |text: Option<&str>| HeaderValue::from_str(text.unwrap_or(ANYTHING)).ok();
    for wanted in &conditions.headers {
        if let Some(value) = value(wanted.value.as_deref()) {
            headers.append(wanted.name.clone(), value);
        }
    }
    let cookies = conditions.cookies.iter().map(|wanted| {
        let value = wanted.value.as_deref().unwrap_or(ANYTHING);
        format!("{}={value}", wanted.name)
    });
    let cookies: Vec<_> = cookies.collect();
    if !cookies.is_empty()
        && let Some(value) = value(Some(&cookies.join("; ")))
    {
        headers.append(header::COOKIE, value);
    }
    headers
}
