//! Where in a request a token or key may be.

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use crate::parse::Node;
use crate::table::Place;
use crate::validate::decoder::Decoder;

/// One place or several.
pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Vec<Place> {
    let nodes = decoder.one_or_many(node);
    if nodes.is_empty() {
        decoder.error(node.at, "`from` is empty: nobody could be let in", MEND);
    }
    nodes
        .into_iter()
        .filter_map(|node| decoder.parsed(node, "from", place))
        .collect()
}

const MEND: &str = "write `bearer`, `header:X-Api-Key`, `cookie:NAME` or `query:NAME`";

fn place(text: &str) -> Result<Place, String> {
    let mend = || MEND.to_owned();
    if text == "bearer" {
        return Ok(Place::Bearer);
    }
    let (kind, name) = text.split_once(':').ok_or_else(mend)?;
    let name = name.trim();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(mend());
    }
    match kind {
        "header" => match HeaderName::from_bytes(name.as_bytes()).map_err(|_| mend())? {
            AUTHORIZATION => Err("write `bearer`: that is `Authorization: Bearer …`".to_owned()),
            COOKIE => Err("name the cookie: `cookie:NAME`".to_owned()),
            name => Ok(Place::Header(name)),
        },
        "cookie" => Ok(Place::Cookie(name.into())),
        "query" => Ok(Place::Query(name.into())),
        _ => Err(mend()),
    }
}
