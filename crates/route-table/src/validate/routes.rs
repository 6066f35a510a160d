//! `routes:` — the rows of the table.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{
    Action, Conditions, LimitId, Maintenance, MigrationId, PathPattern, Priority, Redirect, Route,
    RoutePolicy, Split, Template, UpstreamId,
};
use crate::validate::auth;
use crate::validate::cache::{self, Cached};
use crate::validate::client_networks;
use crate::validate::compression;
use crate::validate::cors;
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::error_pages;
use crate::validate::header_rules::{self, Of};
use crate::validate::maintenance;
use crate::validate::mirror::{self, Mirrored};
use crate::validate::names::All;
use crate::validate::retries;
use crate::validate::route_match;
use crate::validate::scalars::parse_bytes;
use crate::validate::shared::Shared;
use crate::validate::split;
use crate::validate::static_response;
use crate::validate::template;
use crate::validate::upstreams::hash_key;

const EXAMPLE: &str = "write `routes: [ { match: { prefix: / }, to: { upstream: NAME } } ]`";
const ACTIONS: &str = "write one of `{ upstream: NAME }`, `{ migration: NAME }`, `{ respond: { status: 200 } }`, `{ redirect: /path }`, \
     `{ split: [ { upstream: NAME, weight: 95 }, { upstream: NAME, weight: 5 } ] }`";

pub(super) fn read(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    names: &All<'_>,
    maintenance: Option<Arc<Maintenance>>,
) -> Vec<Route> {
    let Some(node) = fields.require(decoder, "routes", EXAMPLE) else {
        return Vec::new();
    };
    let Some(items) = decoder.list(node, "routes") else {
        return Vec::new();
    };
    if items.is_empty() {
        decoder.error(
            node.at,
            "`routes` is empty: every request would be a 404",
            EXAMPLE,
        );
    }
    if items.len() > defaults::ROUTES_MAX {
        let message = format!("{} routes are too many", items.len());
        decoder.error(
            node.at,
            message,
            format!("write at most {}", defaults::ROUTES_MAX),
        );
        return Vec::new();
    }
    let mut rows = Rows {
        names,
        maintenance,
        taken: HashMap::new(),
        policies: Shared::new(),
        conditions: Shared::new(),
    };
    let mut routes = Vec::with_capacity(items.len());
    routes.extend(items.iter().filter_map(|item| rows.route(decoder, item)));
    routes
}

/// What is known while the rows are read.
struct Rows<'n> {
    names: &'n All<'n>,
    /// Of the whole table.
    maintenance: Option<Arc<Maintenance>>,
    /// Names of routes, with the lines of those that were given one.
    taken: HashMap<Arc<str>, u32>,
    policies: Shared<RoutePolicy>,
    conditions: Shared<Conditions>,
}

impl Rows<'_> {
    fn route(&mut self, decoder: &mut Decoder<'_>, node: &Node) -> Option<Route> {
        let mut fields = Fields::of(decoder, node, "a route")?;
        let given = fields
            .take("name")
            .and_then(|node| decoder.text(node, "name").map(|text| (node, text)));
        let wanted = fields.require(decoder, "match", "write `match: { path: /orders }`");
        let conditions = &mut self.conditions;
        let matches = wanted.and_then(|node| route_match::read(decoder, node, conditions));
        let action = fields.require(decoder, "to", ACTIONS);
        let path = matches.as_ref().map(|matches| &matches.path);
        let action = action.and_then(|node| action_of(decoder, node, self.names, path));
        let row = Row {
            action: action.as_ref(),
            path,
            maintenance: self.maintenance.as_ref(),
        };
        let policy = policy(decoder, &mut fields, row, self.names);
        fields.finish(decoder);
        let (matches, action) = (matches?, action?);
        let name = match given {
            Some((node, name)) => self.explicit_name(decoder, node, name),
            None => self.default_name(route_match::describe(&matches)),
        };
        Some(Route {
            name,
            position: decoder.position(node.at),
            matches,
            action,
            policy: self.policies.share(policy),
        })
    }

    fn explicit_name(&mut self, decoder: &mut Decoder<'_>, node: &Node, name: &str) -> Arc<str> {
        let name: Arc<str> = name.into();
        if let Some(line) = self.taken.insert(Arc::clone(&name), node.at.line) {
            let message = format!("two routes are called `{name}`; the other is in line {line}");
            decoder.error(node.at, message, "give one of them another `name`");
        }
        name
    }

    /// Routes that differ in nothing but headers get a number.
    fn default_name(&mut self, described: Arc<str>) -> Arc<str> {
        let mut name = Arc::clone(&described);
        let mut number = 1;
        while self.taken.contains_key(&name) {
            number += 1;
            name = format!("{described} #{number}").into();
        }
        self.taken.insert(Arc::clone(&name), 0);
        name
    }
}

/// What is known of a route before its policy; less, when there are mistakes in it.
#[derive(Debug, Clone, Copy)]
struct Row<'r> {
    action: Option<&'r Action>,
    path: Option<&'r PathPattern>,
    /// Of the whole table.
    maintenance: Option<&'r Arc<Maintenance>>,
}

fn policy(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    row: Row<'_>,
    names: &All<'_>,
) -> RoutePolicy {
    let auth = fields.take("auth");
    let auth = auth.and_then(|node| auth::demands(decoder, node, names.providers));
    let limits = fields.take("limits").map_or(Vec::new(), |node| {
        let nodes = decoder.one_or_many(node).into_iter();
        nodes
            .map(|node| LimitId(names.limits.resolve(decoder, node, "limits")))
            .collect()
    });
    let timeout = fields.take("timeout");
    let timeout = decoder.duration(timeout, "timeout", defaults::ROUTE_TIMEOUT);
    let body_limit = fields.take("body_limit");
    let body_limit = body_limit.and_then(|node| decoder.parsed(node, "body_limit", parse_bytes));
    let retries = retries::read(decoder, fields.take("retries"));
    let try_timeout = fields.take("try_timeout");
    let try_timeout = try_timeout.map(|node| decoder.duration(Some(node), "try_timeout", timeout));
    let mut flag = |key, default| {
        let node = fields.take(key);
        node.and_then(|node| decoder.boolean(node, key))
            .unwrap_or(default)
    };
    let (streaming, websocket) = (flag("streaming", false), flag("websocket", true));
    let rewrite = rewrite(decoder, fields.take("rewrite"), row);
    let request_headers = header_rules::read(decoder, fields.take("request_headers"), Of::Request);
    let response_headers =
        header_rules::read(decoder, fields.take("response_headers"), Of::Response);
    let cors = cors::read(decoder, fields.take("cors"));
    let compress = compression::read(decoder, fields.take("compress"));
    let client_ip = client_networks::read(decoder, fields.take("client_ip"));
    let maintenance = fields.take("maintenance");
    let maintenance = maintenance::read(decoder, maintenance, row.maintenance);
    let error_pages = error_pages::read(decoder, fields.take("error_pages"));
    let mirrored = Mirrored {
        action: row.action,
        streaming,
    };
    let mirror = mirror::read(decoder, fields.take("mirror"), mirrored, names.upstreams);
    let cached = Cached {
        action: row.action,
        auth: auth.as_ref(),
        streaming,
    };
    let cache = cache::read(decoder, fields.take("cache"), cached);
    let given = fields.given(&["name", "match", "to"]);
    let priority = fields.take("priority");
    let priority = priority.and_then(|node| decoder.parsed(node, "priority", priority_of));
    RoutePolicy {
        auth,
        limits,
        timeout,
        body_limit_bytes: body_limit.unwrap_or(defaults::BODY_LIMIT_BYTES),
        retries,
        try_timeout,
        streaming,
        websocket,
        rewrite,
        request_headers,
        response_headers,
        cors,
        compress,
        maintenance,
        client_ip,
        error_pages,
        mirror,
        cache,
        priority: priority.unwrap_or_default(),
        given,
    }
}

fn rewrite(decoder: &mut Decoder<'_>, node: Option<&Node>, row: Row<'_>) -> Option<Template> {
    let (node, path) = (node?, row.path?);
    if let Some(Action::Respond(_) | Action::Redirect(_)) = row.action {
        let message = "there is nothing to rewrite: no upstream is asked";
        decoder.error(node.at, message, "take `rewrite` away");
    }
    decoder.parsed(node, "rewrite", |text| template::rewrite(text, path))
}

fn priority_of(text: &str) -> Result<Priority, String> {
    match text {
        "low" => Ok(Priority::Low),
        "normal" => Ok(Priority::Normal),
        "high" => Ok(Priority::High),
        _ => Err(one_of(text, &["low", "normal", "high"])),
    }
}

fn action_of(
    decoder: &mut Decoder<'_>,
    node: &Node,
    names: &All<'_>,
    path: Option<&PathPattern>,
) -> Option<Action> {
    let mut fields = Fields::of(decoder, node, "`to`")?;
    let upstream = fields.take("upstream");
    let migration = fields.take("migration");
    let respond = fields.take("respond");
    let redirect = fields.take("redirect");
    let split = fields.take("split");
    let by = fields.take("by");
    fields.finish(decoder);
    if let Some(node) = by.filter(|_| split.is_none()) {
        decoder.error(node.at, "`by` is only for `split`", "take it out");
    }
    match (upstream, migration, respond, redirect, split) {
        (Some(node), None, None, None, None) => Some(Action::Upstream(UpstreamId(
            names.upstreams.resolve(decoder, node, "upstream"),
        ))),
        (None, Some(node), None, None, None) => {
            let row = names.migrations.resolve(decoder, node, "migration");
            Some(Action::Migration(MigrationId(row)))
        }
        (None, None, Some(node), None, None) => {
            static_response::read(decoder, node).map(|fixed| Action::Respond(Box::new(fixed)))
        }
        (None, None, None, None, Some(node)) => {
            let by = by.and_then(|node| decoder.parsed(node, "by", hash_key));
            let shares = split::shares(decoder, node, names.upstreams)?;
            Some(Action::Split(Box::new(Split { shares, by })))
        }
        (None, None, None, Some(node), None) => {
            redirect_of(decoder, node, path?).map(|found| Action::Redirect(Box::new(found)))
        }
        _ => {
            decoder.error(node.at, "`to` must say one thing", ACTIONS);
            None
        }
    }
}

/// An address, or a mapping with a status too.
fn redirect_of(decoder: &mut Decoder<'_>, node: &Node, path: &PathPattern) -> Option<Redirect> {
    let target = |text: &str| template::target(text, path);
    let mut status = StatusCode::TEMPORARY_REDIRECT;
    if matches!(node.value, Value::Scalar(_)) {
        let to = decoder.parsed(node, "redirect", target)?;
        return Some(Redirect { status, to });
    }
    let mut fields = Fields::of(decoder, node, "`redirect`")?;
    let to = fields.require(decoder, "to", "write where clients are sent");
    let to = to.and_then(|node| decoder.parsed(node, "to", target));
    if let Some(node) = fields.take("status") {
        let read = |text: &str| match text {
            "301" => Ok(StatusCode::MOVED_PERMANENTLY),
            "302" => Ok(StatusCode::FOUND),
            "303" => Ok(StatusCode::SEE_OTHER),
            "307" => Ok(StatusCode::TEMPORARY_REDIRECT),
            "308" => Ok(StatusCode::PERMANENT_REDIRECT),
            _ => Err(one_of(text, &["301", "302", "303", "307", "308"])),
        };
        status = decoder.parsed(node, "status", read).unwrap_or(status);
    }
    fields.finish(decoder);
    Some(Redirect { status, to: to? })
}
