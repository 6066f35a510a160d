//! From YAML events to the tree.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use crate::defaults::{ALIASED_NODES_MAX, DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX};
use crate::parse::interpolate::interpolate;
use crate::parse::tree::{Key, Node, Place, Value};

/// Why a text is no tree: the place, what is wrong, the mend.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) at: Place,
    pub(crate) message: String,
    pub(crate) mend: String,
}

/// Reads the text of one of a table's files. Mistakes that leave a tree (a duplicate key, an unset
/// variable) are added to `mistakes`.
///
/// # Errors
/// The place at which the text stops being YAML.
pub(crate) fn read(
    file: u16,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Malformed>,
) -> Result<Node, Malformed> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(malformed(
            first(file),
            "the file is too large",
            "split it: 64 MiB are the limit",
        ));
    }
    let mut reader = Reader {
        file,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        aliased: 0,
        env,
        mistakes,
    };
    reader.document()
}

/// Where a file begins.
fn first(file: u16) -> Place {
    Place {
        file,
        line: 1,
        column: 1,
    }
}

struct Reader<'t, 'm> {
    file: u16,
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Of them, those that aliases stand for.
    aliased: usize,
    env: &'m dyn Fn(&str) -> Option<String>,
    mistakes: &'m mut Vec<Malformed>,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Node, Malformed> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd => {
                    return Err(malformed(
                        first(self.file),
                        "the file is empty",
                        "begin with `version: 1`; `docs/routes-yaml.md` has an example",
                    ));
                }
                event => {
                    let root = self.node(event, at, 0)?;
                    self.only_one_document()?;
                    return Ok(root);
                }
            }
        }
    }

    fn only_one_document(&mut self) -> Result<(), Malformed> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, at) => {
                    return Err(malformed(
                        at,
                        "a second document begins here",
                        "one file is one table: remove the `---`",
                    ));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Place), Malformed> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(span.start.line(), span.start.col()))),
            Some(Err(error)) => {
                let marker = error.marker();
                let at = self.place(marker.line(), marker.col());
                let mend = if error.info().contains("tab") {
                    "indent with spaces; YAML does not allow tabs"
                } else {
                    "check indentation, quotes and brackets here and in the line above"
                };
                Err(malformed(
                    at,
                    &format!("this is not YAML: {}", error.info()),
                    mend,
                ))
            }
            None => Ok((Event::StreamEnd, first(self.file))),
        }
    }

    /// The parser counts columns from 0.
    fn place(&self, line: usize, column: usize) -> Place {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place {
            file: self.file,
            line: number(line.max(1)),
            column: number(column + 1),
        }
    }

    fn node(&mut self, event: Event<'t>, at: Place, depth: usize) -> Result<Node, Malformed> {
        self.count(1, at)?;
        if depth > DEPTH_MAX {
            return Err(malformed(at, "nested too deeply", "a table has six levels"));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, self.scalar(&text, style, at)),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(depth)?),
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).cloned() else {
                    return Err(malformed(
                        at,
                        "this alias has no anchor",
                        "define it before",
                    ));
                };
                self.count_aliased(size(&target), at)?;
                return Ok(Node {
                    at,
                    value: target.value,
                });
            }
            _ => return Err(malformed(at, "a value is missing here", "write one")),
        };
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, at: Place) -> Result<(), Malformed> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(malformed(at, "the file has too many values", "split it"));
        }
        Ok(())
    }

    /// Aliases are expanded; what they expand to is bounded.
    fn count_aliased(&mut self, nodes: usize, at: Place) -> Result<(), Malformed> {
        self.aliased += nodes;
        if self.aliased > ALIASED_NODES_MAX {
            return Err(malformed(
                at,
                "aliases stand for too many values",
                "remove aliases of aliases",
            ));
        }
        self.count(nodes, at)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Place) -> Value {
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null") {
            return Value::Null;
        }
        match interpolate(text, self.env) {
            Ok(text) => Value::Scalar(text),
            Err((message, mend)) => {
                self.mistakes.push(Malformed { at, message, mend });
                // Something is there, so that nobody misses it.
                Value::Scalar(text.to_owned())
            }
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Mapping(entries)),
                (Event::Scalar(text, ..), at) => Key {
                    at,
                    text: text.into_owned(),
                },
                (_, at) => {
                    return Err(malformed(at, "a key must be a word", "write `key: value`"));
                }
            };
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            if seen.insert(key.text.clone()) {
                entries.push((key, value));
            } else {
                self.mistakes.push(malformed(
                    key.at,
                    &format!("`{}` is given twice", key.text),
                    "keep one of them; the first one is above",
                ));
            }
        }
    }
}

/// Nodes of a subtree.
fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(_) => 1,
        Value::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

fn malformed(at: Place, message: &str, mend: &str) -> Malformed {
    Malformed {
        at,
        message: message.to_owned(),
        mend: mend.to_owned(),
    }
}
