//! Names that rows refer to.

use std::collections::HashMap;
use std::sync::Arc;

use crate::parse::Node;
use crate::validate::decoder::{Decoder, one_of};

/// The names of one section, each with its row.
#[derive(Debug)]
pub(super) struct Names {
    what: &'static str,
    rows: HashMap<Arc<str>, u32>,
    in_order: Vec<Arc<str>>,
}

/// The names of all sections that routes refer to.
pub(super) struct All<'n> {
    pub(super) upstreams: &'n Names,
    pub(super) providers: &'n Names,
    pub(super) limits: &'n Names,
    pub(super) migrations: &'n Names,
}

impl Names {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            rows: HashMap::new(),
            in_order: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: Arc<str>) {
        let row = u32::try_from(self.in_order.len()).unwrap_or(u32::MAX);
        self.rows.insert(Arc::clone(&name), row);
        self.in_order.push(name);
    }

    /// The row that a node names. An unknown name is reported, and stands for the first row.
    pub(super) fn resolve(&self, decoder: &mut Decoder<'_>, node: &Node, key: &str) -> u32 {
        let Some(text) = decoder.text(node, key) else {
            return 0;
        };
        if let Some(row) = self.rows.get(text) {
            return *row;
        }
        let known: Vec<&str> = self.in_order.iter().map(|name| &**name).collect();
        let message = format!("`{text}` is not defined in `{}`", self.what);
        decoder.error(node.at, message, one_of(text, &known));
        0
    }
}
