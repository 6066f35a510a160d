//! The nodes of a tree, flat: an array, and one hash table over (parent, segment) for all literals.
//!
//! A hundred thousand routes are a few megabytes, which a processor's caches hold, and a step costs one
//! look-up.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Index of the node that all others descend from.
pub(super) const ROOT: u32 = 0;

/// Index of any other node.
pub(super) type Child = NonZeroU32;

/// What may follow one path prefix.
#[derive(Debug, Default)]
pub(super) struct Row {
    parent: u32,
    /// The segment that leads here, if it is a literal.
    text: Span,
    pub(super) param: Option<Child>,
    first_literal: Option<Child>,
    next_literal: Option<Child>,
    /// Routes that end here.
    pub(super) leaf: Span,
    /// Routes that take all that follows.
    pub(super) rest: Span,
}

/// A part of an array.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

/// All nodes of a tree.
#[derive(Debug)]
pub(super) struct Nodes {
    rows: Vec<Row>,
    literals: HashTable<Child>,
    hasher: DefaultHashBuilder,
    /// The segments of literals.
    texts: String,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self {
            rows: vec![Row::default()],
            literals: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            texts: String::new(),
        }
    }

    pub(super) fn row(&self, index: u32) -> &Row {
        row(&self.rows, index)
    }

    pub(super) fn row_mut(&mut self, index: u32) -> &mut Row {
        #[expect(
            clippy::indexing_slicing,
            reason = "indices are made by adding these very rows"
        )]
        &mut self.rows[index as usize]
    }

    /// The segment by which a literal child is reached.
    pub(super) fn text(&self, child: Child) -> &str {
        text_of(&self.texts, self.row(child.get()))
    }

    pub(super) fn literal(&self, parent: u32, segment: &str) -> Option<Child> {
        let is_it = |child: &Child| {
            let row = self.row(child.get());
            row.parent == parent && text_of(&self.texts, row) == segment
        };
        let hash = self.hasher.hash_one((parent, segment));
        self.literals.find(hash, is_it).copied()
    }

    /// Literal children, the youngest first.
    pub(super) fn literals(&self, parent: u32) -> impl Iterator<Item = Child> {
        let first = self.row(parent).first_literal;
        std::iter::successors(first, |child| self.row(child.get()).next_literal)
    }

    /// Keeps a segment's text, for literals.
    pub(super) fn keep(&mut self, segment: &str) -> Span {
        let start = length(self.texts.len());
        self.texts.push_str(segment);
        let len = length(segment.len());
        Span { start, len }
    }

    pub(super) fn add_literal(&mut self, parent: u32, text: Span) -> Child {
        let child = self.add(Row {
            parent,
            text,
            next_literal: self.row(parent).first_literal,
            ..Row::default()
        });
        self.row_mut(parent).first_literal = Some(child);
        let (rows, texts, hasher) = (&self.rows, &self.texts, &self.hasher);
        let hash_of = |child: &Child| {
            let row = row(rows, child.get());
            hasher.hash_one((row.parent, text_of(texts, row)))
        };
        self.literals.insert_unique(hash_of(&child), child, hash_of);
        child
    }

    pub(super) fn add_param(&mut self, parent: u32) -> Child {
        let child = self.add(Row {
            parent,
            ..Row::default()
        });
        self.row_mut(parent).param = Some(child);
        child
    }

    fn add(&mut self, row: Row) -> Child {
        let index = Child::new(length(self.rows.len())).expect("the root is there");
        self.rows.push(row);
        index
    }

    /// Gives back what growing has taken too much.
    pub(super) fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.texts.shrink_to_fit();
    }
}

fn row(rows: &[Row], index: u32) -> &Row {
    #[expect(
        clippy::indexing_slicing,
        reason = "indices are made by adding these very rows"
    )]
    &rows[index as usize]
}

fn text_of<'t>(texts: &'t str, row: &Row) -> &'t str {
    texts.get(row.text.range()).unwrap_or_default()
}

/// A length or an index as it is kept: a table's file has at most 64 MiB.
pub(super) fn length(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
