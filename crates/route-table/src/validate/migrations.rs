//! `migrations:` — groups of URIs that move together.

use std::sync::Arc;

use crate::parse::{Key, Node};
use crate::table::{Migration, PortalEntry, Stage, UpstreamId};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::names::Names;
use crate::validate::{Section, section};

pub(super) fn read(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    upstreams: &Names,
) -> Section<Migration> {
    let node = fields.take("migrations");
    section(decoder, node, "migrations", |decoder, name, key, node| {
        migration(decoder, name, key, node, upstreams)
    })
}

fn migration(
    decoder: &mut Decoder<'_>,
    name: &Arc<str>,
    key: &Key,
    node: &Node,
    upstreams: &Names,
) -> Migration {
    let mut row = Migration {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        from: UpstreamId(0),
        to: UpstreamId(0),
        stage: Stage::Monolith,
        portal: None,
    };
    let Some(mut fields) = Fields::of(decoder, node, &format!("migration `{name}`")) else {
        return row;
    };
    if let Some(node) = fields.require(decoder, "from", "name the monolith's upstream") {
        row.from = UpstreamId(upstreams.resolve(decoder, node, "from"));
    }
    if let Some(node) = fields.require(decoder, "to", "name the new service's upstream") {
        row.to = UpstreamId(upstreams.resolve(decoder, node, "to"));
        if row.to == row.from && decoder.is_clean() {
            let mend = "name the monolith's upstream in `from`, the new service's in `to`";
            decoder.error(node.at, "`from` and `to` are one upstream", mend);
        }
    }
    let mend = "write `stage: monolith` or `stage: service`";
    if let Some(node) = fields.require(decoder, "stage", mend) {
        row.stage = decoder
            .parsed(node, "stage", stage)
            .unwrap_or(Stage::Monolith);
    }
    row.portal = fields.take("portal").and_then(|node| portal(decoder, node));
    fields.finish(decoder);
    row
}

fn stage(text: &str) -> Result<Stage, String> {
    match text {
        "monolith" => Ok(Stage::Monolith),
        "service" => Ok(Stage::Service),
        later if later == "shadow" || later == "retired" || later.starts_with("canary") => {
            Err("this stage is not available yet: write `monolith` or `service`".to_owned())
        }
        _ => Err(one_of(text, &["monolith", "service"])),
    }
}

fn portal(decoder: &mut Decoder<'_>, node: &Node) -> Option<PortalEntry> {
    let mut fields = Fields::of(decoder, node, "`portal`")?;
    let mend = "write `portal: { title: Orders, monolith: /old/orders, service: /orders }`";
    let mut text = |key, path: bool| {
        let node = fields.require(decoder, key, mend)?;
        let check = |text: &str| match !path || text.starts_with('/') {
            true => Ok(Arc::from(text)),
            false => Err("write a path, such as `/orders`".to_owned()),
        };
        decoder.parsed(node, key, check)
    };
    let (title, monolith, service) = (
        text("title", false),
        text("monolith", true),
        text("service", true),
    );
    fields.finish(decoder);
    Some(PortalEntry {
        title: title?,
        monolith: monolith?,
        service: service?,
    })
}
