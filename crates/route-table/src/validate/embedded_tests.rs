//! `tests:` — what the table itself promises; a table that breaks its promise is not applied.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::matcher::RequestFacts;
use crate::parse::{Key, Node};
use crate::table::{Action, Route, Stage, Table};
use crate::validate::decoder::{Decoder, Fields};

const EXAMPLE: &str = "write `- { request: \"GET /orders/42\", expect: { upstream: orders } }`";

pub(super) fn run(decoder: &mut Decoder<'_>, node: &Node, table: &Table) {
    let Some(items) = decoder.list(node, "tests") else {
        return;
    };
    for item in items {
        one(decoder, item, table);
    }
}

/// A request as a test writes it.
struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    client_ip: IpAddr,
}

fn one(decoder: &mut Decoder<'_>, node: &Node, table: &Table) -> Option<()> {
    let mut fields = Fields::of(decoder, node, "a test")?;
    let request = request(decoder, &mut fields);
    let expect = fields.require(decoder, "expect", EXAMPLE);
    fields.finish(decoder);
    let (request, expect) = (request?, expect?);
    let found = table.find(&RequestFacts {
        host: &request.host,
        path: &request.path,
        method: &request.method,
        headers: &request.headers,
        query: request.query.as_deref(),
        client_ip: request.client_ip,
    });
    let mut expected = Fields::of(decoder, expect, "`expect`")?;
    let route = expected.take("route");
    let upstream = expected.take("upstream");
    let status = expected.take("status");
    let location = expected.take("location");
    let no_route = expected.take("no_route");
    let no_route = no_route
        .and_then(|node| decoder.boolean(node, "no_route"))
        .unwrap_or(false);
    expected.finish(decoder);
    let wanted = [route, upstream, status, location];
    if wanted.iter().all(Option::is_none) && !no_route {
        let mend =
            "say what is expected: `route`, `upstream`, `status`, `location` or `no_route: true`";
        decoder.error(expect.at, "`expect` expects nothing", mend);
    }

    let Some(found) = found else {
        if !no_route {
            failed(decoder, node, "no route takes this request");
        }
        return None;
    };
    let name = &found.route.name;
    if no_route {
        failed(decoder, node, &format!("route `{name}` takes this request"));
    }
    if let Some(wanted) = route.and_then(|node| decoder.text(node, "route"))
        && wanted != &**name
        && wanted != &*found.route.matches.path.text
    {
        failed(decoder, node, &format!("route `{name}` takes this request"));
    }
    if let Some(wanted) = upstream.and_then(|node| decoder.text(node, "upstream")) {
        check_upstream(decoder, node, wanted, &serving(table, &found.route.action));
    }
    if let Some(wanted) = status.and_then(|node| decoder.text(node, "status")) {
        check_status(decoder, node, wanted, found.route);
    }
    if let Some(wanted) = location.and_then(|node| decoder.text(node, "location")) {
        let location = match &found.route.action {
            Action::Redirect(to) => to.location(&found.params, request.query.as_deref()),
            _ => "nowhere".to_owned(),
        };
        if location != wanted {
            let message = format!("route `{name}` sends clients to {location}, not to {wanted}");
            failed(decoder, node, &message);
        }
    }
    Some(())
}

fn check_upstream(decoder: &mut Decoder<'_>, node: &Node, wanted: &str, serving: &[&str]) {
    if serving.contains(&wanted) {
        return;
    }
    let serving = match serving {
        [] => "the gateway itself".to_owned(),
        serving => format!("`{}`", serving.join("` or `")),
    };
    let message = format!("{serving} answers this request, not `{wanted}`");
    failed(decoder, node, &message);
}

fn check_status(decoder: &mut Decoder<'_>, node: &Node, wanted: &str, route: &Route) {
    let message = match own_status(&route.action) {
        Some(status) if status.as_str() == wanted => return,
        Some(status) => format!("the answer's status is {status}, not {wanted}"),
        None => format!(
            "route `{}` asks an upstream, whose status is not known here",
            route.name
        ),
    };
    failed(decoder, node, &message);
}

fn failed(decoder: &mut Decoder<'_>, node: &Node, message: &str) {
    let mend = "mend the route, or the test if the new answer is meant";
    decoder.error(node.at, format!("test failed: {message}"), mend);
}

/// The status of an answer that the table gives.
fn own_status(action: &Action) -> Option<StatusCode> {
    match action {
        Action::Respond(fixed) => Some(fixed.status),
        Action::Redirect(redirect) => Some(redirect.status),
        Action::Upstream(_) | Action::Split(_) | Action::Migration(_) => None,
    }
}

/// The upstreams that answer at the stage the file says; several of a split.
fn serving<'t>(table: &'t Table, action: &Action) -> Vec<&'t str> {
    let ids = match action {
        Action::Upstream(id) => vec![*id],
        Action::Split(split) => split.shares.iter().map(|share| share.upstream).collect(),
        Action::Migration(id) => {
            let migration = table.migration(*id);
            vec![match migration.stage {
                Stage::Monolith => migration.from,
                Stage::Service => migration.to,
            }]
        }
        Action::Respond(_) | Action::Redirect(_) => Vec::new(),
    };
    ids.into_iter()
        .map(|id| &*table.upstream(id).name)
        .collect()
}

fn request(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Request> {
    let line = fields.require(decoder, "request", EXAMPLE);
    let host = fields
        .take("host")
        .and_then(|node| decoder.text(node, "host"));
    let headers = fields.take("headers");
    let client_ip = fields.take("client_ip");
    let client_ip = client_ip.and_then(|node| {
        decoder.parsed(node, "client_ip", |text| {
            text.parse()
                .map_err(|_| "write an address, such as 10.0.0.1".to_owned())
        })
    });
    let entries = headers
        .and_then(|node| decoder.entries(node, "headers"))
        .unwrap_or(&[]);
    let mut all = HeaderMap::new();
    for entry in entries {
        if let Some((name, value)) = header(decoder, entry) {
            all.append(name, value);
        }
    }
    let (method, path, query) =
        line.and_then(|node| decoder.parsed(node, "request", request_line))?;
    Some(Request {
        method,
        host: host.unwrap_or("localhost").to_ascii_lowercase(),
        path,
        query,
        headers: all,
        client_ip: client_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    })
}

fn header(
    decoder: &mut Decoder<'_>,
    (key, node): &(Key, Node),
) -> Option<(HeaderName, HeaderValue)> {
    let value = decoder.parsed(node, &key.text, |text| {
        HeaderValue::from_str(text).map_err(|_| "write a header's value".to_owned())
    })?;
    match HeaderName::from_bytes(key.text.as_bytes()) {
        Ok(name) => Some((name, value)),
        Err(_) => {
            decoder.error(
                key.at,
                format!("`{}` is no header", key.text),
                "write a header's name",
            );
            None
        }
    }
}

/// `GET /orders/42?full=1`.
fn request_line(text: &str) -> Result<(Method, String, Option<String>), String> {
    let mend = || "write a method and a path: \"GET /orders/42\"".to_owned();
    let (method, target) = text.split_once(' ').ok_or_else(mend)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| mend())?;
    let (path, query) = match target.trim().split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target.trim(), None),
    };
    if !path.starts_with('/') {
        return Err(mend());
    }
    Ok((method, path.to_owned(), query))
}
