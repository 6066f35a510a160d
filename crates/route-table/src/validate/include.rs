//! `include:` — files of a table beside the one that everything begins with, one for each team.
//!
//! Their trees are put together before anything else is read, so that a table of several files is one
//! table: names are known everywhere, and a row is where it was written.

use std::collections::HashMap;
use std::sync::Arc;

use crate::parse::{self, Key, Node, Place, Value};
use crate::table::Position;
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::{Source, version};

/// What included files may have; all else is the whole gateway's, and so the first file's.
const SECTIONS: [&str; 5] = ["upstreams", "limits", "migrations", "routes", "tests"];

/// Files that a table's first file includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    pub position: Position,
    /// A path from the first file's folder; `*`, `?` and `[…]` may stand for parts of names.
    pub pattern: String,
}

/// What a table's first file includes.
///
/// What is wrong with the text is not said here but by [`load_files`](super::load_files).
#[must_use]
pub fn includes(first: &Source<'_>) -> Vec<Include> {
    if !first.text.contains("include") {
        return Vec::new();
    }
    let root = parse::read(0, first.text, first.env, &mut Vec::new());
    let Ok(Value::Mapping(entries)) = root.map(|root| root.value) else {
        return Vec::new();
    };
    let mut entries = entries.into_iter();
    let include = entries.find(|(key, _)| key.text == "include");
    let nodes = match include {
        Some((_, node)) => match node.value {
            Value::Sequence(items) => items,
            _ => vec![node],
        },
        None => Vec::new(),
    };
    let file: Arc<str> = first.file.into();
    let include = |node: Node| match node.value {
        Value::Scalar(pattern) if !pattern.is_empty() => Some(Include {
            position: Position {
                file: Arc::clone(&file),
                line: node.at.line,
                column: node.at.column,
            },
            pattern,
        }),
        _ => None,
    };
    nodes.into_iter().filter_map(include).collect()
}

/// Says what is wrong with `include` itself. Whoever loads the table has followed it.
pub(super) fn check(decoder: &mut Decoder<'_>, node: Option<&Node>) {
    for node in node.map_or(Vec::new(), |node| decoder.one_or_many(node)) {
        if decoder.text(node, "include") == Some("") {
            let mend = "write which files: `include: routes.d/*.yaml`";
            decoder.error(node.at, "`include` names no file", mend);
        }
    }
}

/// Reads all files into one tree. `None` when there is none for the first.
pub(super) fn tree(decoder: &mut Decoder<'_>, sources: &[Source<'_>]) -> Option<Node> {
    let mut whole: Option<Node> = None;
    for (file, source) in (0..).zip(sources) {
        let mut mistakes = Vec::new();
        let root = parse::read(file, source.text, source.env, &mut mistakes);
        for mistake in mistakes {
            decoder.unreadable(mistake);
        }
        match (root, &mut whole) {
            (Ok(root), None) if file == 0 => whole = Some(root),
            (Ok(root), Some(whole)) => add(decoder, whole, root),
            (Ok(_), None) => {}
            (Err(mistake), _) => decoder.error(mistake.at, mistake.message, mistake.mend),
        }
    }
    whole
}

/// Puts an included file's rows behind those that are there.
fn add(decoder: &mut Decoder<'_>, whole: &mut Node, root: Node) {
    let what = "an included file";
    let Some(mut fields) = Fields::of(decoder, &root, what) else {
        return;
    };
    version(decoder, &mut fields);
    for section in SECTIONS {
        fields.take(section);
    }
    fields.finish(decoder);
    let (Value::Mapping(all), Value::Mapping(entries)) = (&mut whole.value, root.value) else {
        return;
    };
    for (key, node) in entries {
        let is_rows = SECTIONS.contains(&&*key.text) && !matches!(node.value, Value::Null);
        if !is_rows {
            continue;
        }
        match all.iter_mut().find(|(known, _)| known.text == key.text) {
            Some((_, rows)) if matches!(rows.value, Value::Null) => *rows = node,
            Some((_, rows)) => append(decoder, &key.text, rows, node),
            None => all.push((key, node)),
        }
    }
}

/// Puts the rows of one section behind those of the files before.
fn append(decoder: &mut Decoder<'_>, section: &str, rows: &mut Node, more: Node) {
    match (&mut rows.value, more.value) {
        (Value::Sequence(rows), Value::Sequence(more)) => rows.extend(more),
        (Value::Mapping(rows), Value::Mapping(more)) => {
            let known = rows.iter().map(|(key, _)| (key.text.clone(), key.at));
            let known: HashMap<String, Place> = known.collect();
            for (key, node) in more {
                match known.get(&key.text) {
                    Some(first) => defined_twice(decoder, section, &key, *first),
                    None => rows.push((key, node)),
                }
            }
        }
        (Value::Sequence(_), other) => {
            let message = format!("`{section}` must be a list, not {}", other.kind());
            decoder.error(more.at, message, "write lines with `- ` in it");
        }
        (Value::Mapping(_), other) => {
            let message = format!("`{section}` must be a mapping, not {}", other.kind());
            decoder.error(more.at, message, "write `name: { … }` in it");
        }
        // What is wrong with the section of a file before will be said of that one.
        (Value::Null | Value::Scalar(_), _) => {}
    }
}

fn defined_twice(decoder: &mut Decoder<'_>, section: &str, key: &Key, first: Place) {
    let first = decoder.position(first);
    let (file, line) = (first.file, first.line);
    let message = format!("`{}` is in `{section}` already, at {file}:{line}", key.text);
    let mend = "give one of them another name: names are the whole table's";
    decoder.error(key.at, message, mend);
}
