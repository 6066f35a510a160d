//! From the tree to the table: every value checked, every name resolved, every mistake collected.
//!
//! [`decoder`] reads mappings and reports unknown keys, [`scalars`] reads times, sizes and rates, then
//! there is a file for each section of `routes.yaml`, in its order. A value that can't be used is
//! reported and replaced by a default, so that one mistake does not hide the next.

mod decoder;
mod scalars;
mod names;
mod include;
mod listeners;
mod access_log;
mod cache;
mod upstreams;
mod api_keys;
mod auth;
mod client_networks;
mod limits;
mod migrations;
mod mirror;
mod routes;
mod retries;
mod path;
mod route_match;
mod shared;
mod split;
mod template;
mod shadowed;
mod embedded_tests;
mod header_rules;
mod cors;
mod compression;
mod maintenance;
mod error_pages;
mod static_response;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

pub use api_keys::load_api_keys;
pub use include::{Include, includes};
pub use scalars::parse_duration;

use crate::defaults;
use crate::error::{TableError, TableErrors};
use crate::matcher::Matcher;
use crate::parse;
use crate::table::{Admin, EndpointSource, Listener, Overload, Table};
use crate::validate::decoder::{Decoder, Fields};

/// One of a table's files, and all that it depends on.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file's name, as errors show it.
    pub file: &'a str,
    pub text: &'a str,
    /// Relative paths of certificates and other files start here: the file's own folder.
    pub base_dir: &'a Path,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Reads a table of one file and runs the tests that it carries.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(source: &Source<'_>) -> Result<Table, TableErrors> {
    load_files(std::slice::from_ref(source))
}

/// Reads a table and runs the tests that it carries. The first file is the one that includes the others
/// ([`includes`]).
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn load_files(sources: &[Source<'_>]) -> Result<Table, TableErrors> {
    let mut decoder = Decoder::new(sources);
    let root = include::tree(&mut decoder, sources);
    let table = root.and_then(|root| table(&mut decoder, &root));
    let mut errors: Vec<TableError> = decoder.into_errors();
    errors.sort_by(|one, other| one.position.cmp(&other.position));
    errors.dedup();
    match table {
        Some(table) if errors.is_empty() => Ok(table),
        _ => Err(TableErrors(errors)),
    }
}

fn table(decoder: &mut Decoder<'_>, root: &parse::Node) -> Option<Table> {
    let mut fields = Fields::of(decoder, root, "the table")?;
    version(decoder, &mut fields);
    include::check(decoder, fields.take("include"));
    let listeners = listeners::read(decoder, &mut fields);
    let admin = admin(decoder, &mut fields);
    let registry = fields
        .take("registry")
        .and_then(|node| decoder.http_url(node, "registry"));
    let zone = fields.take("zone");
    let zone = zone.and_then(|node| decoder.zone(node));
    let overload = overload(decoder, &mut fields);
    let access_log = access_log::read(decoder, &mut fields);
    let explained_to = explained_to(decoder, &mut fields);
    let cache = cache::memory(decoder, &mut fields);
    let upstreams = upstreams::read(decoder, &mut fields);
    let auth::Auth { providers, issuer } = auth::read(decoder, &mut fields, &upstreams.names);
    let limits = limits::read(decoder, &mut fields);
    let migrations = migrations::read(decoder, &mut fields, &upstreams.names);
    let names = names::All {
        upstreams: &upstreams.names,
        providers: &providers.names,
        limits: &limits.names,
        migrations: &migrations.names,
    };
    let error_pages = error_pages::read(decoder, fields.take("error_pages"));
    let maintenance = maintenance::read(decoder, fields.take("maintenance"), None);
    let routes = routes::read(decoder, &mut fields, &names, maintenance);
    let tests = fields.take("tests");
    fields.finish(decoder);
    needs_registry(decoder, registry.is_some(), &upstreams.rows);
    admin_is_apart(decoder, &listeners, &admin);

    let matcher = Matcher::new(&routes);
    shadowed::check(decoder, &matcher, &routes);
    header_rules::check_identity(decoder, &routes, &providers.rows);
    auth::check_not_logged(decoder, &routes, &providers.rows, &access_log);
    let table = Table {
        listeners,
        admin,
        registry,
        zone,
        overload,
        access_log,
        explained_to,
        cache,
        upstreams: upstreams.rows,
        issuer,
        providers: providers.rows,
        limits: limits.rows,
        migrations: migrations.rows,
        error_pages,
        files: decoder.take_files(),
        routes,
        matcher,
    };
    // A table with mistakes would fail tests that say nothing new.
    if let Some(tests) = tests.filter(|_| decoder.is_clean()) {
        embedded_tests::run(decoder, tests, &table);
    }
    Some(table)
}

fn version(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) {
    let mend = "begin the file with `version: 1`";
    let Some(node) = fields.require(decoder, "version", mend) else {
        return;
    };
    if let Some(text) = decoder.text(node, "version")
        && text != "1"
    {
        decoder.error(node.at, format!("version `{text}` is not known"), mend);
    }
}

fn admin(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Admin {
    let default = || Admin {
        bind: vec![defaults::ADMIN_BIND],
    };
    let Some(node) = fields.take("admin") else {
        return default();
    };
    let Some(mut fields) = Fields::of(decoder, node, "admin") else {
        return default();
    };
    let bind = listeners::bind(decoder, &mut fields);
    fields.finish(decoder);
    Admin { bind }
}

fn overload(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Overload {
    let mut overload = Overload {
        requests: defaults::OVERLOAD_REQUESTS,
    };
    if let Some(node) = fields.take("overload")
        && let Some(mut fields) = Fields::of(decoder, node, "`overload`")
    {
        let requests = fields.take("requests");
        overload.requests = decoder.count(requests, "requests", 1..=10_000_000, overload.requests);
        fields.finish(decoder);
    }
    overload
}

/// `explain:` — whose requests are explained when they ask for it.
fn explained_to(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Vec<IpNet> {
    let node = fields.take("explain");
    let Some(mut fields) = node.and_then(|node| Fields::of(decoder, node, "`explain`")) else {
        return Vec::new();
    };
    let mend = "write whose requests may ask for it: `clients: [\"10.0.0.0/8\"]`";
    let clients = fields.require(decoder, "clients", mend);
    fields.finish(decoder);
    clients.map_or(Vec::new(), |node| {
        listeners::networks(decoder, node, "clients")
    })
}

/// Operators have an address of their own.
fn admin_is_apart(decoder: &mut Decoder<'_>, listeners: &[Listener], admin: &Admin) {
    for listener in listeners {
        let shared = |addr: &&SocketAddr| addr.port() != 0 && admin.bind.contains(addr);
        if let Some(addr) = listener.bind.iter().find(shared) {
            let message = format!("{addr} is the address of `admin` too");
            let mend = "give the listener another port, or write `admin: { bind: … }`";
            decoder.error_at(listener.position.clone(), message, mend);
        }
    }
}

fn needs_registry(decoder: &mut Decoder<'_>, given: bool, upstreams: &[crate::table::Upstream]) {
    if given {
        return;
    }
    let by_registry = |upstream: &&crate::table::Upstream| {
        matches!(upstream.endpoints, EndpointSource::Registry { .. })
    };
    if let Some(upstream) = upstreams.iter().find(by_registry) {
        let message = format!(
            "upstream `{}` needs a registry, and there is none",
            upstream.name
        );
        let mend = "add `registry: http://127.0.0.1:7000` at the top of the file";
        decoder.error_at(upstream.position.clone(), message, mend);
    }
}

/// Rows of a section with the names they were given.
#[derive(Debug)]
struct Section<T> {
    rows: Vec<T>,
    names: names::Names,
}

/// Reads a section that maps names to rows.
fn section<T>(
    decoder: &mut Decoder<'_>,
    node: Option<&parse::Node>,
    what: &'static str,
    mut read: impl FnMut(&mut Decoder<'_>, &Arc<str>, &parse::Key, &parse::Node) -> T,
) -> Section<T> {
    let mut section = Section {
        rows: Vec::new(),
        names: names::Names::new(what),
    };
    let Some(entries) = node.and_then(|node| decoder.entries(node, what)) else {
        return section;
    };
    for (key, node) in entries {
        let name = decoder.name(key, what);
        section.rows.push(read(decoder, &name, key, node));
        section.names.add(name);
    }
    section
}
