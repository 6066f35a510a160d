//! API keys: known by their hashes, from a file that may change at any time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use route_table::table::{ApiKey, ApiKeyFile, Provider};
use route_table::{Source, load_api_keys};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::caller::Identity;
use super::refused::Reason;
use crate::control::{Fingerprint, LoadError};
use crate::defaults::API_KEYS_POLL;
use crate::telemetry::Metrics;

/// The keys of one file, as they are now.
#[derive(Debug)]
pub(super) struct ApiKeys {
    provider: Provider,
    file: ApiKeyFile,
    /// `None`: the file could not be read yet.
    known: ArcSwap<Option<Known>>,
    metrics: OnceLock<Metrics>,
    task: Mutex<Option<AbortHandle>>,
}

/// Callers by the hashes of their keys.
type Known = HashMap<[u8; 32], Holder>;

#[derive(Debug)]
struct Holder {
    identity: Arc<Identity>,
    not_after: Option<u64>,
}

impl ApiKeys {
    pub(super) fn new(provider: &Provider, file: &ApiKeyFile) -> Self {
        let keys = Self {
            provider: provider.clone(),
            file: file.clone(),
            known: ArcSwap::from_pointee(None),
            metrics: OnceLock::new(),
            task: Mutex::new(None),
        };
        keys.reload();
        keys
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(super) fn report_to(&self, metrics: &Metrics) {
        self.metrics.get_or_init(|| metrics.clone());
    }

    /// Says whose key it is, at `now` in seconds since 1970.
    ///
    /// The hash is looked up, not the key: how long that takes says nothing about keys that exist.
    pub(super) fn identify(&self, key: &str, now: u64) -> Result<Arc<Identity>, Reason> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
        let known = self.known.load();
        let Some(known) = &**known else {
            return Err(Reason::KeysUnavailable);
        };
        let holder = known.get(digest.as_ref()).ok_or(Reason::ApiKey)?;
        if holder.not_after.is_some_and(|last| last < now) {
            return Err(Reason::Expired);
        }
        Ok(Arc::clone(&holder.identity))
    }

    /// Reads the file; when it can't be used, the keys known before go on being taken.
    fn reload(&self) {
        let (provider, path) = (&self.provider.name, self.file.path.display());
        match read(&self.file.path) {
            Ok(keys) => {
                tracing::info!(%provider, %path, keys = keys.len(), "API keys read");
                self.known.store(Arc::new(Some(self.holders(keys))));
            }
            Err(error) => {
                tracing::error!(%provider, %error, "API keys refused; those known before serve on");
                if let Some(metrics) = self.metrics.get() {
                    metrics.count_api_keys_refused(provider);
                }
            }
        }
    }

    fn holders(&self, keys: Vec<ApiKey>) -> Known {
        let holder = |key: ApiKey| {
            let mut claims: Map<String, Value> = key.claims;
            claims.entry("sub").or_insert_with(|| Value::from(&*key.id));
            let holder = Holder {
                identity: Arc::new(Identity::new(&self.provider, claims)),
                not_after: key.not_after,
            };
            (key.sha256, holder)
        };
        keys.into_iter().map(holder).collect()
    }
}

impl Drop for ApiKeys {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

/// Reads a file of API keys.
///
/// # Errors
/// When it can't be read, or with all that is wrong in it.
pub(crate) fn read(path: &Path) -> Result<Vec<ApiKey>, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let source = Source {
        file: &path.display().to_string(),
        text: &text,
        base_dir: Path::new("."),
        env: &|_| None,
    };
    load_api_keys(&source).map_err(LoadError::Invalid)
}

/// Follows the file of `keys` for as long as they are in use. A change is read when it has stood still
/// for one look.
pub(super) fn follow(keys: &Arc<ApiKeys>, control: &Handle) {
    let mut task = keys.task.lock();
    if task.is_some() {
        return;
    }
    let (weak, path) = (Arc::downgrade(keys), keys.file.path.clone());
    *task = Some(control.spawn(watch(weak, path)).abort_handle());
}

async fn watch(keys: Weak<ApiKeys>, path: std::path::PathBuf) {
    let mut applied = Fingerprint::of(&path);
    let mut seen = applied;
    let mut ticks = tokio::time::interval(API_KEYS_POLL);
    loop {
        ticks.tick().await;
        let current = Fingerprint::of(&path);
        if current != applied && current == seen {
            applied = current;
            let Some(keys) = keys.upgrade() else {
                return;
            };
            keys.reload();
        }
        seen = current;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::jwt::test_issuer::NOW;
    use crate::auth::test_provider;

    /// The keys `old` and `new`, the first of which ends at [`NOW`].
    const FILE: &str = "keys:\n\
        - { id: a, sha256: cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4, not_after: 2027-01-15T08:00:00Z }\n\
        - { id: b, sha256: 11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437, claims: { sub: bea, scope: s } }\n";

    fn keys(folder: &Path, text: &str) -> ApiKeys {
        let path = folder.join("api-keys.yaml");
        std::fs::write(&path, text).unwrap();
        let file = ApiKeyFile { path };
        ApiKeys::new(&test_provider::of_api_keys("partners", &file), &file)
    }

    #[test]
    fn a_key_says_whose_it_is_for_as_long_as_it_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path(), FILE);
        let known = keys.identify("old", NOW).unwrap();
        assert_eq!(known.claims["sub"], "a");
        assert_eq!(keys.identify("old", NOW + 1), Err(Reason::Expired));
        let known = keys.identify("new", NOW).unwrap();
        assert_eq!(known.claims["sub"], "bea");
        assert!(known.scopes.contains("s"));
        assert_eq!(keys.identify("New", NOW), Err(Reason::ApiKey));
        assert_eq!(keys.identify("", NOW), Err(Reason::ApiKey));
    }

    #[test]
    fn a_file_that_is_no_good_leaves_the_keys_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path(), FILE);
        for bad in ["keys: [", "keys: [ { id: a } ]"] {
            std::fs::write(&keys.file.path, bad).unwrap();
            keys.reload();
            assert!(keys.identify("new", NOW).is_ok());
        }
        std::fs::write(&keys.file.path, "keys: []").unwrap();
        keys.reload();
        assert_eq!(keys.identify("new", NOW), Err(Reason::ApiKey));
    }

    #[test]
    fn without_a_file_nobody_can_be_told_from_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path(), "keys: [");
        assert_eq!(keys.identify("new", NOW), Err(Reason::KeysUnavailable));
    }
}
