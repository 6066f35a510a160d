//! `client_ip:` of a route — who may use it, by address.

use std::sync::Arc;

use crate::parse::Node;
use crate::table::ClientNetworks;
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::listeners::networks;

pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Option<Arc<ClientNetworks>> {
    let node = node?;
    let mut fields = Fields::of(decoder, node, "`client_ip`")?;
    let (allow, deny) = (fields.take("allow"), fields.take("deny"));
    if allow.or(deny).is_none() {
        let mend = "write `client_ip: { allow: [\"10.0.0.0/8\"] }`, or `deny`, or both";
        decoder.error(node.at, "`client_ip` says nothing", mend);
    }
    let mut read =
        |node: Option<&Node>, key| node.map_or(Vec::new(), |node| networks(decoder, node, key));
    let networks = ClientNetworks {
        allow: read(allow, "allow"),
        deny: read(deny, "deny"),
    };
    fields.finish(decoder);
    Some(Arc::new(networks))
}
