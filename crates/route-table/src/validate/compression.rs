//! `compress:` of a route — which of its answers are compressed, and how.

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{Compression, Encoding, TypePattern};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::scalars::parse_bytes;

const ALL: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];

/// `true`, `false`, or a mapping of what is not left to its default.
pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Option<Box<Compression>> {
    let node = node?;
    if let Value::Scalar(_) = node.value {
        return decoder
            .boolean(node, "compress")?
            .then(|| Box::new(by_default()));
    }
    let mut fields = Fields::of(decoder, node, "`compress`")?;
    let mut compression = by_default();
    if let Some(node) = fields.take("types") {
        let nodes = decoder.one_or_many(node);
        not_empty(decoder, node, &nodes, "types");
        let patterns = nodes.into_iter();
        compression.types = patterns
            .filter_map(|node| decoder.parsed(node, "types", type_pattern))
            .collect();
    }
    if let Some(node) = fields.take("algorithms") {
        let nodes = decoder.one_or_many(node);
        not_empty(decoder, node, &nodes, "algorithms");
        let names = nodes.into_iter();
        compression.encodings = names
            .filter_map(|node| decoder.parsed(node, "algorithms", encoding))
            .collect();
    }
    let min_size = fields.take("min_size");
    let min_size = min_size.and_then(|node| decoder.parsed(node, "min_size", parse_bytes));
    compression.min_bytes = min_size.unwrap_or(compression.min_bytes);
    fields.finish(decoder);
    Some(Box::new(compression))
}

fn by_default() -> Compression {
    let types = defaults::COMPRESSED_TYPES.into_iter();
    Compression {
        types: types.map(|text| TypePattern(text.into())).collect(),
        min_bytes: defaults::COMPRESSED_BYTES_MIN,
        encodings: ALL.to_vec(),
    }
}

fn not_empty(decoder: &mut Decoder<'_>, node: &Node, items: &[&Node], key: &str) {
    if items.is_empty() {
        let message = format!("`{key}` names none");
        decoder.error(node.at, message, "leave it out, or write `compress: false`");
    }
}

fn encoding(text: &str) -> Result<Encoding, String> {
    let mut all = ALL.into_iter();
    all.find(|encoding| encoding.as_str() == text)
        .ok_or_else(|| one_of(text, &ALL.map(Encoding::as_str)))
}

fn type_pattern(text: &str) -> Result<TypePattern, String> {
    let mend = "write a media type such as `application/json`, `text/*` or `application/*+json`";
    let is_token = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
        !part.is_empty() && part.bytes().all(known)
    };
    match text.split_once('/') {
        Some((kind, sub)) if is_token(kind) && is_token(sub) && text.matches('*').count() <= 1 => {
            Ok(TypePattern(text.to_ascii_lowercase().into()))
        }
        _ => Err(mend.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_its_many_shapes_is_compressed_and_what_is_packed_already_is_not() {
        let rules = by_default();
        for (content_type, taken) in [
            ("text/html; charset=utf-8", true),
            ("Text/CSS", true),
            ("application/json", true),
            ("application/problem+json", true),
            ("application/atom+xml", true),
            ("image/svg+xml", true),
            ("application/javascript", true),
            ("application/wasm", true),
            ("image/png", false),
            ("video/mp4", false),
            ("font/woff2", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(rules.takes(content_type), taken, "{content_type}");
        }
    }

    #[test]
    fn a_star_needs_room() {
        let pattern = type_pattern("application/*+json").unwrap();
        assert!(pattern.takes("application/a+json"));
        assert!(!pattern.takes("application/json"));
        assert!(!pattern.takes("application"));
        assert!(!pattern.takes("a+json"));
    }
}
