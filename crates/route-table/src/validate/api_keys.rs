//! A file of API keys: who was given one, by its hash.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::error::TableErrors;
use crate::parse::{self, Key, Node, Value};
use crate::table::ApiKey;
use crate::validate::Source;
use crate::validate::decoder::{Decoder, Fields};

/// Reads a file of API keys.
///
/// # Errors
/// Everything that is wrong with it. Lines are not shown: somebody may have written a key into one.
pub fn load_api_keys(source: &Source<'_>) -> Result<Vec<ApiKey>, TableErrors> {
    let mut decoder = Decoder::new(std::slice::from_ref(source));
    decoder.hide_lines();
    let mut mistakes = Vec::new();
    let root = parse::read(0, source.text, source.env, &mut mistakes);
    for mistake in mistakes {
        decoder.unreadable(mistake);
    }
    let keys = match root {
        Ok(root) => keys(&mut decoder, &root),
        Err(mistake) => {
            decoder.unreadable(mistake);
            Vec::new()
        }
    };
    if decoder.is_clean() {
        Ok(keys)
    } else {
        Err(TableErrors(decoder.into_errors()))
    }
}

fn keys(decoder: &mut Decoder<'_>, root: &Node) -> Vec<ApiKey> {
    let Some(mut fields) = Fields::of(decoder, root, "the file of API keys") else {
        return Vec::new();
    };
    let mend = "write `keys: [ { id: partner-1, sha256: … } ]`; `gateway api-key` makes an entry";
    let list = fields.require(decoder, "keys", mend);
    let list = list.and_then(|node| decoder.list(node, "keys"));
    fields.finish(decoder);
    let mut lines: HashMap<[u8; 32], u32> = HashMap::new();
    let mut keys = Vec::new();
    for node in list.unwrap_or_default() {
        let Some(key) = key(decoder, node) else {
            continue;
        };
        if let Some(line) = lines.insert(key.sha256, node.at.line) {
            let message = format!("key `{}` is the one of line {line} once more", key.id);
            decoder.error(node.at, message, "give everybody a key of their own");
        }
        keys.push(key);
    }
    keys
}

fn key(decoder: &mut Decoder<'_>, node: &Node) -> Option<ApiKey> {
    let mut fields = Fields::of(decoder, node, "an API key")?;
    let id = fields.require(
        decoder,
        "id",
        "write whose key it is, such as `id: partner-1`",
    );
    let id = id.and_then(|node| decoder.text(node, "id"));
    let mend = "write the key's SHA-256 in 64 hexadecimal digits; `gateway api-key` makes an entry";
    let sha256 = fields.require(decoder, "sha256", mend).and_then(|node| {
        let read = decoder.text(node, "sha256").and_then(digest);
        if read.is_none() {
            decoder.error(node.at, "`sha256` is not a SHA-256", mend);
        }
        read
    });
    let not_after = fields.take("not_after");
    let not_after = not_after.and_then(|node| {
        decoder.parsed(node, "not_after", |text| {
            let time: Result<Timestamp, _> = text.parse();
            time.map_err(|_| "write a time such as 2027-01-31T00:00:00Z".to_owned())
        })
    });
    let claims = fields.take("claims");
    let claims = claims.map_or_else(Map::new, |node| claims_of(decoder, node));
    fields.finish(decoder);
    Some(ApiKey {
        id: id?.into(),
        sha256: sha256?,
        not_after: not_after.map(|time| u64::try_from(time.as_second()).unwrap_or(0)),
        claims,
    })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Texts and lists of texts, as a token would claim them.
fn claims_of(decoder: &mut Decoder<'_>, node: &Node) -> Map<String, Json> {
    let entries = decoder.entries(node, "claims").unwrap_or(&[]);
    let mut claim = |(key, node): &(Key, Node)| {
        let value = match &node.value {
            Value::Sequence(items) => {
                let texts = items
                    .iter()
                    .filter_map(|item| decoder.text(item, &key.text));
                texts.map(Json::from).collect::<Vec<_>>().into()
            }
            _ => decoder.text(node, &key.text)?.into(),
        };
        Some((key.text.clone(), value))
    };
    entries.iter().filter_map(&mut claim).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(text: &str) -> Result<Vec<ApiKey>, String> {
        let source = Source {
            file: "api-keys.yaml",
            text,
            base_dir: Path::new("."),
            env: &|_| None,
        };
        load_api_keys(&source).map_err(|errors| errors.to_string())
    }

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn an_entry_says_whose_key_it_is_and_what_it_is_good_for() {
        let text = format!(
            "keys:\n  - id: partner-1\n    sha256: {HASH}\n    not_after: 2027-01-31T00:00:00Z\n    \
             claims: {{ scope: 'a b', roles: [x, y] }}\n"
        );
        let keys = load(&text).expect("a good file");
        let [key] = keys.as_slice() else {
            unreachable!("one key")
        };
        assert_eq!((&*key.id, key.sha256[0]), ("partner-1", 0x9f));
        assert_eq!(key.not_after, Some(1_801_353_600));
        assert_eq!(key.claims["scope"], "a b");
        assert_eq!(key.claims["roles"][1], "y");
        assert_eq!(load("keys: []").expect("nobody has a key yet").len(), 0);
    }

    #[test]
    fn all_mistakes_are_said_and_no_line_is_shown() {
        let text = "keys:\n  - { id: a, sha256: my-secret-key }\n  - { sha256: 12 }\n  \
                    - { id: c, sha256: x, until: 1 }\n";
        let errors = load(text).expect_err("mistakes");
        for said in ["api-keys.yaml:2:", "`id` is missing", "`until` is no key"] {
            assert!(errors.contains(said), "{said}: {errors}");
        }
        assert!(!errors.contains("my-secret-key"), "{errors}");
    }

    #[test]
    fn one_key_is_one_persons() {
        let text = format!("keys: [{{ id: a, sha256: {HASH} }}, {{ id: b, sha256: {HASH} }}]");
        let errors = load(&text).expect_err("a mistake");
        assert!(errors.contains("key `b` is the one of line 1"), "{errors}");
    }
}
