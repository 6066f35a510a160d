//! Where answers are kept: in this process, bounded by their bytes.
//!
//! Nothing else knows: a store that several gateways share has [`Cache::find`], [`Cache::put`],
//! [`Cache::invalidate`] and [`Cache::purge`] to offer, and no more.
//!
//! An answer is found in steps: the URI leads to a number, number and key to the answer or, where it varies,
//! to the names of request headers and another number, which leads on with their values. What a number led
//! to cannot be found once the number is gone, so that all that is kept of a URI goes in one step, whoever
//! asked for it and however it varies. What is lost ages out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderName};
use moka::notification::RemovalCause;

use super::asked::{Asked, Target, add_values, plain_authority};
use super::flights::Flights;
use super::kept::Kept;
use crate::defaults::CACHE_IDLE_MAX;

/// All that is kept.
pub(crate) struct Cache {
    entries: moka::sync::Cache<Arc<str>, Entry>,
    pub(crate) flights: Flights,
    next: AtomicU64,
    bytes_max: u64,
    /// Rises by one with every purge.
    purges: AtomicU64,
    hits: AtomicU64,
    evictions: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Entry {
    /// Leads on with a key.
    Uri(u64),
    /// Leads on with the values of these request headers.
    Varies(u64, Arc<[HeaderName]>),
    Answer(Arc<Kept>),
}

/// Where an answer to a request is, or would be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    uri: Arc<str>,
    uri_number: u64,
    /// Leads to the answer, or to what it varies by.
    key: Arc<str>,
    /// Leads to the answer among those that vary.
    variant: Option<Arc<str>>,
    /// Purges that had been by then.
    purges: u64,
}

/// What is to be forgotten.
#[derive(Debug)]
pub(crate) enum Purge {
    Tag(String),
    /// `authority/path?query`, without a scheme.
    Uri(String),
    Route(String),
}

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) hits: u64,
    pub(crate) evictions: u64,
}

impl Place {
    /// What requests for the same answer have in common, as far as is known.
    pub(crate) fn key(&self) -> &Arc<str> {
        self.variant.as_ref().unwrap_or(&self.key)
    }
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let evicted = Arc::clone(&evictions);
        let entries = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|key: &Arc<str>, entry: &Entry| {
                let weight = match entry {
                    Entry::Answer(kept) => kept.weight(),
                    Entry::Uri(_) | Entry::Varies(..) => 128,
                };
                u32::try_from(weight + key.len()).unwrap_or(u32::MAX)
            })
            .time_to_idle(CACHE_IDLE_MAX)
            .eviction_listener(move |_, entry, cause| {
                if cause == RemovalCause::Size && matches!(entry, Entry::Answer(_)) {
                    evicted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        Self {
            entries,
            flights: Flights::new(),
            next: AtomicU64::new(1),
            bytes_max,
            purges: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            evictions,
        }
    }

    /// Finds the answer to a request, and where it is or would be.
    pub(crate) fn find(&self, asked: &Asked) -> (Place, Option<Arc<Kept>>) {
        let purges = self.purges.load(Ordering::Acquire);
        let uri_number = self.uri_number(&asked.uri);
        let key: Arc<str> = format!("{uri_number}\n{}", asked.apart).into();
        let mut place = Place {
            uri: Arc::clone(&asked.uri),
            uri_number,
            key,
            variant: None,
            purges,
        };
        let mut entry = self.entries.get(&place.key);
        if let Some(Entry::Varies(number, names)) = &entry {
            let variant = variant(*number, names, &asked.headers);
            entry = self.entries.get(&variant);
            place.variant = Some(variant);
        }
        match entry {
            Some(Entry::Answer(kept)) => (place, Some(kept)),
            _ => (place, None),
        }
    }

    fn uri_number(&self, uri: &Arc<str>) -> u64 {
        // No key of another kind begins so.
        let key: Arc<str> = format!("/{uri}").into();
        let new = || Entry::Uri(self.next.fetch_add(1, Ordering::Relaxed));
        match self.entries.get_with(key, new) {
            Entry::Uri(number) => number,
            Entry::Varies(..) | Entry::Answer(_) => 0,
        }
    }

    /// Keeps the answer to a request; not, when what was kept of its URI was forgotten meanwhile, because
    /// it may be from before that.
    pub(crate) fn put(&self, place: &Place, asked: &HeaderMap, kept: Arc<Kept>) -> bool {
        let forgotten = self.purges.load(Ordering::Acquire) != place.purges
            || self.uri_number(&place.uri) != place.uri_number;
        if forgotten {
            return false;
        }
        let names = kept.vary();
        let key = if names.is_empty() {
            Arc::clone(&place.key)
        } else {
            let number = match self.entries.get(&place.key) {
                Some(Entry::Varies(number, known)) if *known == *names => number,
                _ => {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    let varies = Entry::Varies(number, names.as_slice().into());
                    self.entries.insert(Arc::clone(&place.key), varies);
                    number
                }
            };
            variant(number, &names, asked)
        };
        self.entries.insert(key, Entry::Answer(kept));
        true
    }

    /// Forgets one answer.
    pub(crate) fn remove(&self, place: &Place) {
        self.entries.invalidate(place.key());
    }

    /// Forgets what a request has changed (RFC 9111, section 4.4): its own URI, and those of the same host
    /// that its answer names.
    pub(crate) fn invalidate(&self, target: &Target, answer: &HeaderMap) {
        self.forget_uri(&target.uri());
        for name in [LOCATION, CONTENT_LOCATION] {
            let named = answer.get(name).and_then(|value| value.to_str().ok());
            if let Some(uri) = named.and_then(|text| resolved(target, text)) {
                self.forget_uri(&uri);
            }
        }
    }

    fn forget_uri(&self, uri: &str) {
        self.entries.invalidate(format!("/{uri}").as_str());
    }

    /// Forgets answers, those on their way included. Returns how many there were, with those that
    /// could not be found any more; it looks at every one.
    pub(crate) fn purge(&self, purge: &Purge) -> u64 {
        self.purges.fetch_add(1, Ordering::AcqRel);
        let meant = |kept: &Kept| match purge {
            Purge::Tag(tag) => kept.tags.iter().any(|one| **one == **tag),
            Purge::Uri(uri) => *kept.uri == **uri,
            Purge::Route(route) => *kept.route == **route,
        };
        let mut purged = 0;
        for (key, entry) in &self.entries {
            if let Entry::Answer(kept) = entry
                && meant(&kept)
            {
                self.entries.invalidate(&*key);
                purged += 1;
            }
        }
        purged
    }

    /// The most that is kept.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    pub(crate) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        self.entries.run_pending_tasks();
        let is_answer = |entry: &Entry| matches!(entry, Entry::Answer(_));
        let answers = self.entries.iter().filter(|(_, entry)| is_answer(entry));
        Usage {
            entries: answers.count() as u64,
            bytes: self.entries.weighted_size(),
            hits: self.hits.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.entry_count();
        f.debug_struct("Cache").field("entries", &entries).finish()
    }
}

fn variant(number: u64, names: &[HeaderName], headers: &HeaderMap) -> Arc<str> {
    let mut key = format!("{number}\nvary\n");
    for name in names {
        add_values(&mut key, headers, name);
    }
    key.into()
}

/// A URI that an answer names, if it is of the same host.
fn resolved(target: &Target, text: &str) -> Option<String> {
    let text = text.split('#').next().unwrap_or_default();
    let bare = ["http://", "https://", "//"];
    if let Some(rest) = bare.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let same = plain_authority(authority) == target.authority;
        return same.then(|| format!("{}{path}", target.authority));
    }
    if text.starts_with('/') {
        return Some(format!("{}{text}", target.authority));
    }
    let folder = target
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    Some(format!("{}{folder}/{text}", target.authority))
}

#[cfg(test)]
mod tests;
