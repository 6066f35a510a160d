//! Whether one route asks less of callers than another.

use std::collections::BTreeSet;

use route_table::Table;
use route_table::table::{Combine, RouteAuth};

use crate::explain::{auth_in_words, provider_name, requirements};

/// What a route asks of callers: the ways to be let in, each with all that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    ways_in: Vec<BTreeSet<String>>,
    in_words: String,
}

impl Asked {
    pub(crate) fn of(table: &Table, auth: Option<&RouteAuth>) -> Self {
        let in_words = auth_in_words(table, auth);
        let Some(auth) = auth else {
            return Self {
                ways_in: vec![BTreeSet::new()],
                in_words,
            };
        };
        let demands = auth.demands.iter().map(|demand| {
            let provider = provider_name(table, demand);
            let words = requirements(demand).into_iter();
            let mut all: BTreeSet<_> = words.map(|it| format!("{provider}: {it}")).collect();
            all.insert(provider.to_owned());
            all
        });
        let mut ways_in: Vec<_> = match auth.combine {
            Combine::Any => demands.collect(),
            Combine::All => vec![demands.flatten().collect()],
        };
        if auth.optional {
            ways_in.push(BTreeSet::new());
        }
        Self { ways_in, in_words }
    }

    /// Says what callers no longer need, where there is a way in that takes less than every way before:
    /// each needs what no other would have done without.
    pub(crate) fn lost_by(&self, new: &Self) -> Option<String> {
        let was_enough = |way: &BTreeSet<String>| self.ways_in.iter().any(|old| old.is_subset(way));
        let anyone = new.ways_in.iter().any(BTreeSet::is_empty);
        let easier = new.ways_in.iter().find(|way| !was_enough(way))?;
        if anyone {
            return Some(format!("{} → {}", self.in_words, new.in_words));
        }
        let lost = self.ways_in.iter().map(|old| old.difference(easier));
        // Of several ways before, the one that was nearest.
        let nearest = lost.min_by_key(|lost| lost.clone().count())?;
        let another_provider = nearest.clone().any(|word| !word.contains(": "));
        if another_provider {
            // Who is believed instead of whom is for people to judge.
            return None;
        }
        let words: Vec<_> = nearest.map(String::as_str).collect();
        Some(format!("no longer asked for: {}", words.join(", ")))
    }

    /// Says what is different, where something is.
    pub(super) fn changed_to(&self, new: &Self) -> Option<String> {
        (self.ways_in != new.ways_in).then(|| format!("{} → {}", self.in_words, new.in_words))
    }
}
