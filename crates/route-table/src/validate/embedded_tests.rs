//! `tests:` — what the table itself promises; a table that breaks its promise is not applied.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::matcher::RequestFacts;
use crate::parse::{Key, Node};
use crate::table::{Action, Stage, Table};
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
    let no_route = expected.take("no_route");
    let no_route = no_route
        .and_then(|node| decoder.boolean(node, "no_route"))
        .unwrap_or(false);
    expected.finish(decoder);
    if [route, upstream, status].iter().all(Option::is_none) && !no_route {
        let mend = "say what is expected: `route`, `upstream`, `status` or `no_route: true`";
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
    let upstream = upstream.and_then(|node| decoder.text(node, "upstream"));
    let serving = serving(table, &found.route.action);
    if let Some(wanted) = upstream
        && serving != Some(wanted)
    {
        let serving = serving.unwrap_or("the gateway itself");
        failed(
            decoder,
            node,
            &format!("`{serving}` answers this request, not `{wanted}`"),
        );
    }
    let status = status.and_then(|node| decoder.text(node, "status"));
    match (status, &found.route.action) {
        (None, _) => {}
        (Some(wanted), Action::Respond(fixed)) if fixed.status.as_str() == wanted => {}
        (Some(wanted), Action::Respond(fixed)) => {
            let message = format!("the answer's status is {}, not {wanted}", fixed.status);
            failed(decoder, node, &message);
        }
        (Some(_), _) => {
            let message =
                format!("route `{name}` asks an upstream, whose status is not known here");
            failed(decoder, node, &message);
        }
    }
    Some(())
}

fn failed(decoder: &mut Decoder<'_>, node: &Node, message: &str) {
    let mend = "mend the route, or the test if the new answer is meant";
    decoder.error(node.at, format!("test failed: {message}"), mend);
}

/// The upstream that answers at the stage the file says.
fn serving<'t>(table: &'t Table, action: &Action) -> Option<&'t str> {
    let id = match action {
        Action::Upstream(id) => *id,
        Action::Migration(id) => {
            let migration = table.migration(*id);
            match migration.stage {
                Stage::Monolith => migration.from,
                Stage::Service => migration.to,
            }
        }
        Action::Respond(_) => return None,
    };
    Some(&table.upstream(id).name)
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
