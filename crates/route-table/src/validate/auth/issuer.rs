//! `auth.issuer:` — tokens of the gateway's own.

use crate::defaults;
use crate::parse::Node;
use crate::table::OwnIssuer;
use crate::validate::decoder::{Decoder, Fields};

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<OwnIssuer> {
    let mut fields = Fields::of(decoder, node, "`auth.issuer`")?;
    let mend = "write the `iss` of the tokens, such as \"https://gateway.shop.test\"";
    let name = fields.require(decoder, "name", mend);
    let name = name.and_then(|node| decoder.text(node, "name"));
    let mend = "name a file with a private P-256 key in PEM";
    let key = fields.require(decoder, "key", mend);
    let key = key.and_then(|node| decoder.path(node, "key"));
    let mend = "write who the tokens are for: `audiences: [shop]`";
    let audiences = fields.require(decoder, "audiences", mend);
    let audiences = audiences.map_or(Vec::new(), |node| {
        let nodes = decoder.one_or_many(node).into_iter();
        let texts = nodes.filter_map(|node| decoder.text(node, "audiences"));
        texts.map(Into::into).collect()
    });
    let lifetime = fields.take("lifetime");
    let lifetime = decoder.duration(lifetime, "lifetime", defaults::OWN_TOKEN_LIFETIME);
    fields.finish(decoder);
    Some(OwnIssuer {
        name: name?.into(),
        key: key?,
        audiences,
        lifetime,
    })
}
