//! Reads nodes and collects what is wrong with them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::TableError;
use crate::parse::{Key, Malformed, Node, Place, Value};
use crate::table::{File, FileId, FileUse, Given, Position};
use crate::validate::Source;

/// Names longer than that fit no log line.
const NAME_LEN_MAX: usize = 100;

/// The list of mistakes, and the files they are shown in.
pub(super) struct Decoder<'s> {
    sources: Vec<Lines<'s>>,
    errors: Vec<TableError>,
    /// Values that could not be read, which has been said.
    unread: Vec<Place>,
    /// Files that have been named so far.
    files: Vec<File>,
    lines_hidden: bool,
}

/// One of a table's files.
struct Lines<'s> {
    name: Arc<str>,
    base_dir: &'s Path,
    lines: Vec<&'s str>,
}

impl<'s> Decoder<'s> {
    pub(super) fn new(sources: &'s [Source<'s>]) -> Self {
        let lines = |source: &Source<'s>| Lines {
            name: source.file.into(),
            base_dir: source.base_dir,
            lines: source.text.lines().collect(),
        };
        Self {
            sources: sources.iter().map(lines).collect(),
            errors: Vec::new(),
            unread: Vec::new(),
            files: Vec::new(),
            lines_hidden: false,
        }
    }

    /// From now on errors do not show what stands in the file: it holds secrets.
    pub(super) fn hide_lines(&mut self) {
        self.lines_hidden = true;
    }

    pub(super) fn into_errors(self) -> Vec<TableError> {
        self.errors
    }

    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn position(&self, at: Place) -> Position {
        let source = self.sources.get(usize::from(at.file));
        Position {
            file: source.map_or_else(|| "".into(), |source| Arc::clone(&source.name)),
            line: at.line,
            column: at.column,
        }
    }

    /// Notes a value that can't be read at all: what else may be wrong with it, nobody knows.
    pub(super) fn unreadable(&mut self, mistake: Malformed) {
        self.error(mistake.at, mistake.message, mistake.mend);
        self.unread.push(mistake.at);
    }

    pub(super) fn error(&mut self, at: Place, message: impl Into<String>, mend: impl Into<String>) {
        if self.unread.contains(&at) {
            return;
        }
        self.error_at(self.position(at), message, mend);
    }

    pub(super) fn error_at(
        &mut self,
        position: Position,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let index = usize::try_from(position.line)
            .unwrap_or(1)
            .saturating_sub(1);
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.name == position.file);
        let line = source.and_then(|source| source.lines.get(index));
        let line = line.filter(|_| !self.lines_hidden);
        let source_line = line.copied().unwrap_or("").to_owned();
        self.errors.push(TableError {
            position,
            message: message.into(),
            mend: mend.into(),
            source_line,
        });
    }

    /// The value of a scalar.
    pub(super) fn text<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(text) => Some(text),
            other => {
                let message = format!("`{key}` must be a value, not {}", other.kind());
                self.error(node.at, message, format!("write `{key}: …`"));
                None
            }
        }
    }

    /// A zone's name; an empty one, which `${ZONE:-}` may leave, is none.
    pub(super) fn zone(&mut self, node: &Node) -> Option<Arc<str>> {
        let text = self.text(node, "zone")?;
        (!text.is_empty()).then(|| text.into())
    }

    /// A scalar that is read by `parse`, whose error says what is expected.
    pub(super) fn parsed<T>(
        &mut self,
        node: &Node,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(mend) => {
                let message = format!("`{key}` cannot be `{text}`");
                self.error(node.at, message, mend);
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, node: &Node, key: &str) -> Option<bool> {
        self.parsed(node, key, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("write `true` or `false`".to_owned()),
        })
    }

    pub(super) fn address(&mut self, node: &Node, key: &str) -> Option<SocketAddr> {
        self.parsed(node, key, |text| {
            text.parse().map_err(|_| {
                "write an address and a port, such as \"0.0.0.0:8443\" or \"[::1]:8443\"".to_owned()
            })
        })
    }

    /// `http://host[:port]`, nothing behind it.
    pub(super) fn http_url(&mut self, node: &Node, key: &str) -> Option<String> {
        self.parsed(node, key, |text| {
            let mend = || "write a URL such as http://127.0.0.1:7000".to_owned();
            let url = url::Url::parse(text).map_err(|_| mend())?;
            let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
            if plain {
                Ok(text.trim_end_matches('/').to_owned())
            } else {
                Err(mend())
            }
        })
    }

    /// One value, or a list of them.
    pub(super) fn one_or_many<'n>(&mut self, node: &'n Node) -> Vec<&'n Node> {
        match &node.value {
            Value::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        }
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::Sequence(items) => Some(items),
            other => {
                let message = format!("`{key}` must be a list, not {}", other.kind());
                self.error(
                    node.at,
                    message,
                    format!("write `{key}: [ … ]`, or lines with `- `"),
                );
                None
            }
        }
    }

    /// The entries of a mapping whose keys are names.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n [(Key, Node)]> {
        match &node.value {
            Value::Mapping(entries) => Some(entries),
            Value::Null => Some(&[]),
            other => {
                let message = format!("`{key}` must be a mapping, not {}", other.kind());
                self.error(node.at, message, "write `name: { … }` in it");
                None
            }
        }
    }

    /// A path: a relative one starts in the folder of the file that names it.
    pub(super) fn path(&mut self, node: &Node, key: &str) -> Option<PathBuf> {
        let text = self.text(node, key)?;
        let source = self.sources.get(usize::from(node.at.file))?;
        Some(source.base_dir.join(text))
    }

    /// A file whose content belongs to the table. It is not opened here.
    pub(super) fn file(&mut self, node: &Node, key: &str, used_as: FileUse) -> Option<FileId> {
        let text = self.text(node, key)?;
        if text.is_empty() {
            let message = format!("`{key}` names no file");
            self.error(node.at, message, "write its path, from this file's folder");
            return None;
        }
        let path = self.path(node, key)?;
        let is_same = |file: &File| file.path == path && file.used_as == used_as;
        let index = self.files.iter().position(is_same).unwrap_or_else(|| {
            let position = self.position(node.at);
            self.files.push(File {
                path,
                position,
                used_as,
                content: Bytes::new(),
            });
            self.files.len() - 1
        });
        u32::try_from(index).ok().map(FileId)
    }

    /// All files that have been named.
    pub(super) fn take_files(&mut self) -> Vec<File> {
        std::mem::take(&mut self.files)
    }

    /// A name that people choose: it must fit a log line and a metric's label.
    pub(super) fn name(&mut self, key: &Key, what: &str) -> Arc<str> {
        let fits = (1..=NAME_LEN_MAX).contains(&key.text.len())
            && key
                .text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !fits {
            let message = format!("`{}` cannot be a name in {what}", key.text);
            self.error(
                key.at,
                message,
                "use up to 100 letters, digits, `-`, `_` and `.`",
            );
        }
        key.text.as_str().into()
    }
}

/// The fields of one mapping. What nobody has asked for in the end is an unknown key.
pub(super) struct Fields<'n> {
    pub(super) at: Place,
    what: String,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens a mapping; `None`, and an error, when the node is none.
    pub(super) fn of(decoder: &mut Decoder<'_>, node: &'n Node, what: &str) -> Option<Self> {
        match &node.value {
            Value::Mapping(entries) => Some(Self {
                at: node.at,
                what: what.to_owned(),
                entries,
                known: Vec::new(),
            }),
            other => {
                let message = format!("{what} must be a mapping, not {}", other.kind());
                decoder.error(
                    node.at,
                    message,
                    "write `key: value` lines, or `{ key: value }`",
                );
                None
            }
        }
    }

    /// Opens a mapping, or one with nothing in it in the place of a node that is none. What that lacks
    /// is not said: what is wrong has been.
    pub(super) fn of_or_empty(decoder: &mut Decoder<'_>, node: &'n Node, what: String) -> Self {
        Self::of(decoder, node, &what).unwrap_or_else(|| {
            decoder.unread.push(node.at);
            Self {
                at: node.at,
                what,
                entries: &[],
                known: Vec::new(),
            }
        })
    }

    /// The value of a key; a key without a value counts as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let found = self.entries.iter().find(|(known, _)| known.text == key);
        found
            .map(|(_, node)| node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of a key that must be there.
    pub(super) fn require(
        &mut self,
        decoder: &mut Decoder<'_>,
        key: &'static str,
        mend: &str,
    ) -> Option<&'n Node> {
        let found = self.take(key);
        if found.is_none() {
            decoder.error(
                self.at,
                format!("`{key}` is missing in {}", self.what),
                mend,
            );
        }
        found
    }

    /// The keys that are there, and one level below them, but for `without`.
    pub(super) fn given(&self, without: &[&str]) -> Given {
        let mut keys: Vec<Box<str>> = Vec::new();
        let entries = self.entries.iter();
        for (key, node) in entries.filter(|(key, _)| !without.contains(&key.text.as_str())) {
            match &node.value {
                Value::Null => continue,
                Value::Mapping(inner) => {
                    keys.extend(
                        inner
                            .iter()
                            .map(|(sub, _)| format!("{}.{}", key.text, sub.text).into()),
                    );
                }
                Value::Scalar(_) | Value::Sequence(_) => {}
            }
            keys.push(key.text.as_str().into());
        }
        Given::new(keys)
    }

    /// Reports keys that nobody asked for.
    pub(super) fn finish(self, decoder: &mut Decoder<'_>) {
        for (key, _) in self.entries {
            if self.known.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("`{}` is no key of {}", key.text, self.what);
            decoder.error(key.at, message, one_of(&key.text, &self.known));
        }
    }
}

/// A mend that lists what is allowed, the most similar first.
pub(super) fn one_of(given: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "nothing of that kind is defined in this file".to_owned();
    }
    let likeness = |text: &str| strsim::jaro_winkler(given, text);
    let best = allowed
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let listed: Vec<_> = allowed
        .iter()
        .take(20)
        .map(|text| format!("`{text}`"))
        .collect();
    let more = if allowed.len() > 20 { ", …" } else { "" };
    let listed = format!("write one of {}{more}", listed.join(", "));
    match best.filter(|text| likeness(text) > 0.75) {
        Some(best) => format!("did you mean `{best}`? {listed}"),
        None => listed,
    }
}
