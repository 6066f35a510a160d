//! `client_certificate:` — names that certificates of clients may have.

use crate::parse::Node;
use crate::table::SanPattern;
use crate::validate::decoder::{Decoder, Fields};

const MEND: &str = "write `dns:HOST`, `dns:*.DOMAIN`, `uri:URI` or `uri:PREFIX*`";

pub(super) fn sans(decoder: &mut Decoder<'_>, node: &Node) -> Vec<SanPattern> {
    let mut fields = Fields::of_or_empty(decoder, node, "`client_certificate`".to_owned());
    let sans = fields.require(decoder, "sans", MEND);
    let sans = sans.map_or(Vec::new(), |node| {
        let nodes = decoder.one_or_many(node);
        if nodes.is_empty() {
            decoder.error(node.at, "`sans` is empty: nobody could be let in", MEND);
        }
        let patterns = nodes.into_iter();
        patterns
            .filter_map(|node| decoder.parsed(node, "sans", pattern))
            .collect()
    });
    fields.finish(decoder);
    sans
}

fn pattern(text: &str) -> Result<SanPattern, String> {
    let mend = || MEND.to_owned();
    match text.split_once(':').ok_or_else(mend)? {
        ("dns", name) => {
            let name = name.to_ascii_lowercase();
            let (domain, any_label) = match name.strip_prefix("*.") {
                Some(domain) => (domain, true),
                None => (name.as_str(), false),
            };
            match domain {
                "" => Err(mend()),
                domain if domain.contains('*') => Err(mend()),
                domain if any_label => Ok(SanPattern::AnyLabelBelow(domain.into())),
                domain => Ok(SanPattern::Dns(domain.into())),
            }
        }
        ("uri", uri) => match uri.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') && !prefix.is_empty() => {
                Ok(SanPattern::UriPrefix(prefix.into()))
            }
            None if !uri.contains('*') && !uri.is_empty() => Ok(SanPattern::Uri(uri.into())),
            _ => Err(mend()),
        },
        _ => Err(mend()),
    }
}
