//! `mirror:` of a route — who gets copies of its requests.

use crate::parse::Node;
use crate::table::{Action, Mirror, UpstreamId};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;

/// What a mirrored route must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mirrored<'m> {
    pub(super) action: Option<&'m Action>,
    pub(super) streaming: bool,
}

pub(super) fn read(
    decoder: &mut Decoder<'_>,
    node: Option<&Node>,
    route: Mirrored<'_>,
    upstreams: &Names,
) -> Option<Mirror> {
    let node = node?;
    let mut fields = Fields::of(decoder, node, "`mirror`")?;
    let upstream = fields.require(decoder, "upstream", "name who gets the copies");
    let id = upstream.map(|node| UpstreamId(upstreams.resolve(decoder, node, "upstream")));
    let percent = fields.take("percent");
    let percent = decoder.count(percent, "percent", 1..=100, 100);
    let isolated = fields.take("unsafe");
    let isolated = isolated.and_then(|node| decoder.parsed(node, "unsafe", is_isolated));
    fields.finish(decoder);
    if let Some(Action::Respond(_) | Action::Redirect(_)) = route.action {
        let message = "there is nothing to mirror: the table answers these requests itself";
        decoder.error(node.at, message, "take `mirror` away");
    }
    if let Some(Action::Upstream(serving)) = route.action
        && id == Some(*serving)
        && decoder.is_clean()
    {
        let message = "`mirror` would send each request to its own upstream twice";
        let mend = "name another upstream than `to` does";
        decoder.error(upstream.map_or(node.at, |node| node.at), message, mend);
    }
    if route.streaming {
        let message = "a streaming route cannot be mirrored: its exchanges do not end";
        decoder.error(node.at, message, "take `mirror` or `streaming` away");
    }
    Some(Mirror {
        upstream: id?,
        percent,
        isolated: isolated.unwrap_or(false),
    })
}

/// What is changed twice is changed wrongly, unless somebody says that it is not.
fn is_isolated(text: &str) -> Result<bool, String> {
    match text {
        "isolated" => Ok(true),
        _ => Err(
            "write `isolated` if nothing that the upstream changes is shared with the one that \
             serves, so that POST, PUT, PATCH and DELETE may be copied too; leave it out otherwise"
                .to_owned(),
        ),
    }
}
