//! `split:` of a route — upstreams with their shares.

use crate::parse::Node;
use crate::table::{Share, UpstreamId};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;

const WEIGHT_MAX: u32 = 1_000_000;

/// At least two upstreams, each once, not all without a share.
pub(super) fn shares(
    decoder: &mut Decoder<'_>,
    node: &Node,
    upstreams: &Names,
) -> Option<Vec<Share>> {
    let mut shares: Vec<Share> = Vec::new();
    for item in decoder.list(node, "split")? {
        let mut fields = Fields::of(decoder, item, "a share")?;
        let upstream = fields.require(decoder, "upstream", "name who gets the share");
        let weight = fields.require(decoder, "weight", "write its share, such as `weight: 5`");
        fields.finish(decoder);
        let weight = decoder.count(weight, "weight", 0..=WEIGHT_MAX, 0);
        let id = UpstreamId(upstreams.resolve(decoder, upstream?, "upstream"));
        if shares.iter().any(|share| share.upstream == id) && decoder.is_clean() {
            let mend = "add the weights up";
            decoder.error(item.at, "this upstream has a share already", mend);
        }
        shares.push(Share {
            upstream: id,
            weight,
        });
    }
    if shares.len() < 2 {
        let mend = "name two upstreams at least, or write `to: { upstream: NAME }`";
        decoder.error(node.at, "there is nothing to split", mend);
    } else if decoder.is_clean() && shares.iter().all(|share| share.weight == 0) {
        let mend = "give one of them a `weight` above 0";
        decoder.error(node.at, "nobody has a share", mend);
    }
    Some(shares)
}
