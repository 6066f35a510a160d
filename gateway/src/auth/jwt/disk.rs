//! Copies of key sets on disk, so that a start while the issuer is away does not lock everybody out.
//!
//! A copy serves for as long as the keys would have, had the process not ended: its age counts from the
//! fetch. Whoever can write the folder can let in whom they like; it is made for this process alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::jwks::KeySet;
use crate::lifecycle::write_whole;

/// The folder of the copies; none by default: nothing is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyCopies(Option<Arc<Path>>);

/// The place of one issuer's copy.
#[derive(Debug)]
pub(super) struct KeyCopy {
    file: Option<PathBuf>,
    jwks_uri: Arc<str>,
}

/// Keys of an earlier fetch.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) set: KeySet,
    pub(super) age: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    jwks_uri: Arc<str>,
    /// Seconds since 1970.
    fetched_at: u64,
    /// The key set as it was fetched.
    keys: Value,
}

impl KeyCopies {
    /// Copies are kept in a folder below `state_dir`.
    pub(crate) fn below(state_dir: &Path) -> Self {
        Self(Some(state_dir.join("keys").into()))
    }

    pub(super) fn of(&self, jwks_uri: &Arc<str>) -> KeyCopy {
        let name = format!("{:016x}.json", xxh3_64(jwks_uri.as_bytes()));
        KeyCopy {
            file: self.0.as_ref().map(|folder| folder.join(name)),
            jwks_uri: Arc::clone(jwks_uri),
        }
    }
}

impl KeyCopy {
    /// Reads the copy, if there is one that can be used.
    pub(super) fn read(&self) -> Option<Copied> {
        let path = self.file.as_deref()?;
        match std::fs::read(path) {
            Ok(bytes) => {
                let copied = self.parse(&bytes);
                if copied.is_none() {
                    tracing::warn!(path = %path.display(), "copy of keys is of no use; ignored");
                }
                copied
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "copy of keys can not be read");
                }
                None
            }
        }
    }

    fn parse(&self, bytes: &[u8]) -> Option<Copied> {
        let file: File = serde_json::from_slice(bytes).ok()?;
        if file.jwks_uri != self.jwks_uri {
            return None;
        }
        Some(Copied {
            set: KeySet::parse(file.keys.to_string().as_bytes()).ok()?,
            // A clock that was set back makes it no younger than new.
            age: Duration::from_secs(since_1970().saturating_sub(file.fetched_at)),
        })
    }

    /// Keeps a key set that was just fetched. What goes wrong is logged: the keys serve without a copy.
    pub(super) async fn write(&self, keys: Vec<u8>) {
        let Some(path) = self.file.clone() else {
            return;
        };
        let jwks_uri = Arc::clone(&self.jwks_uri);
        let written = tokio::task::spawn_blocking(move || write(&path, jwks_uri, &keys)).await;
        // An error of the task means that the process is ending.
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "keys can not be kept for the next start");
        }
    }
}

fn write(path: &Path, jwks_uri: Arc<str>, keys: &[u8]) -> io::Result<()> {
    let file = File {
        jwks_uri,
        fetched_at: since_1970(),
        keys: serde_json::from_slice(keys)?,
    };
    write_whole(path, &serde_json::to_vec(&file)?)
}

fn since_1970() -> u64 {
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::jwt::test_issuer::{Issuer, KeyKind};

    fn copy(folder: &Path, uri: &str) -> KeyCopy {
        KeyCopies::below(folder).of(&uri.into())
    }

    #[tokio::test]
    async fn keys_are_read_back_with_their_age() {
        let folder = tempfile::tempdir().unwrap();
        let copy = copy(folder.path(), "https://id.test/jwks");
        assert!(copy.read().is_none());
        let issuer = Issuer::new(KeyKind::P256, "a");
        copy.write(issuer.jwks().into_bytes()).await;
        let read = copy.read().expect("a copy");
        assert_eq!(read.set.len(), 1);
        assert!(read.age < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn what_is_another_issuers_or_damaged_is_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let copy = copy(folder.path(), "https://id.test/jwks");
        copy.write(Issuer::new(KeyKind::P256, "a").jwks().into_bytes())
            .await;
        let path = copy.file.clone().unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        let other = good.replace("id.test", "evil.test");
        for bad in ["", "{}", other.as_str(), good.split_at(good.len() / 2).0] {
            std::fs::write(&path, bad).unwrap();
            assert!(copy.read().is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn without_a_folder_nothing_is_kept() {
        let copy = KeyCopies::default().of(&"https://id.test/jwks".into());
        copy.write(b"{}".to_vec()).await;
        assert!(copy.read().is_none());
    }
}
