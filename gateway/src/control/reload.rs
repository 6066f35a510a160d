//! Follows the route table's file and applies what people write into it.
//!
//! The file is looked at ten times a second. That costs a `stat` each and finds every way of saving a
//! file alike: written in place, renamed over by an editor, or swapped by a symbolic link as Kubernetes
//! does; no event is lost on network file systems. A change is read when it has stood still for one
//! look, so that a file being written is not taken for a finished one.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use route_table::table::{Position, ProviderKind};
use route_table::{Source, Table, TableError, TableErrors};

use crate::auth;
use crate::control::{files, memory, start_tasks};
use crate::defaults::TABLE_POLL;
use crate::lifecycle::{Inherited, Listeners, service_manager};
use crate::routing::Snapshot;
use crate::state::GatewayState;
use crate::upstream::ClientTls;

/// Why a route table can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Invalid(TableErrors),
}

/// Reads and compiles a route table.
///
/// # Errors
/// [`LoadError`], with all that is wrong in the file.
pub(crate) fn load(path: &Path) -> Result<Table, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let source = Source {
        file: &path.display().to_string(),
        text: &text,
        base_dir: path.parent().unwrap_or(Path::new(".")),
        env: &|name| std::env::var(name).ok(),
    };
    let mut table = route_table::load(&source).map_err(LoadError::Invalid)?;
    let mut errors = tls_errors(&table, &text);
    errors.extend(files::read_in(&mut table, &text));
    errors.extend(api_key_errors(&table, &text));
    errors.extend(issuer_error(&table, &path.display().to_string()));
    drop(text);
    memory::give_back_after(&table);
    if errors.is_empty() {
        Ok(table)
    } else {
        Err(LoadError::Invalid(TableErrors(errors)))
    }
}

/// The upstreams whose TLS files can't be used. The table's own checks read no files.
fn tls_errors(table: &Table, text: &str) -> Vec<TableError> {
    let asking = table
        .upstreams
        .iter()
        .filter(|upstream| ClientTls::is_asked_for(upstream));
    let error = |upstream: &route_table::table::Upstream| {
        let error = ClientTls::build(upstream).err()?;
        let line = usize::try_from(upstream.position.line.saturating_sub(1)).ok()?;
        Some(TableError {
            position: upstream.position.clone(),
            message: format!("TLS of upstream `{}`: {error}", upstream.name),
            mend: "name readable PEM files: `tls: { ca, server_name, cert, key }`".to_owned(),
            source_line: text.lines().nth(line).unwrap_or_default().to_owned(),
        })
    };
    asking.filter_map(error).collect()
}

/// What is wrong with the gateway's own signing key.
fn issuer_error(table: &Table, file: &str) -> Option<TableError> {
    let error = auth::OwnIssuer::load(table.issuer.as_ref()?).err()?;
    Some(TableError {
        position: Position {
            file: file.into(),
            line: 1,
            column: 1,
        },
        message: format!("`auth.issuer`: {error}"),
        mend: "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".to_owned(),
        source_line: String::new(),
    })
}

/// What is wrong with files of API keys.
fn api_key_errors(table: &Table, text: &str) -> Vec<TableError> {
    let mut errors = Vec::new();
    for provider in &table.providers {
        let ProviderKind::ApiKeys(file) = &provider.kind else {
            continue;
        };
        match auth::read_api_keys(&file.path) {
            Ok(_) => {}
            Err(LoadError::Invalid(found)) => errors.extend(found.0),
            Err(unreadable) => {
                let line = usize::try_from(provider.position.line.saturating_sub(1));
                let line = line.ok().and_then(|line| text.lines().nth(line));
                errors.push(TableError {
                    position: provider.position.clone(),
                    message: format!("API keys of provider `{}`: {unreadable}", provider.name),
                    mend: "name a readable file: `api_keys: { file: api-keys.yaml }`".to_owned(),
                    source_line: line.unwrap_or_default().to_owned(),
                });
            }
        }
    }
    errors
}

/// Applies new versions of one file.
#[derive(Debug)]
pub(crate) struct Reloader {
    path: PathBuf,
    gateway: Arc<GatewayState>,
    listeners: Arc<Listeners>,
    /// The version that the gateway started with.
    started_with: Fingerprint,
}

impl Reloader {
    /// `started_with` must have been taken before the table was read: an edit in between is then seen.
    pub(crate) fn new(
        path: PathBuf,
        gateway: Arc<GatewayState>,
        listeners: Arc<Listeners>,
        started_with: Fingerprint,
    ) -> Self {
        Self {
            path,
            gateway,
            listeners,
            started_with,
        }
    }

    /// Follows the file for ever; a signal on `now` (SIGHUP) reads it at once.
    pub(crate) async fn follow(&self, now: &tokio::sync::Notify) {
        let mut applied = self.started_with;
        let mut seen = applied;
        let mut ticks = tokio::time::interval(TABLE_POLL);
        loop {
            tokio::select! {
                () = now.notified() => {
                    (applied, seen) = (Fingerprint::of(&self.path), Fingerprint::of(&self.path));
                    self.reload();
                    service_manager::ready();
                }
                _ = ticks.tick() => {
                    let current = Fingerprint::of(&self.path);
                    if current != applied && current == seen {
                        applied = current;
                        self.reload();
                    }
                    seen = current;
                }
            }
        }
    }

    /// Reads the file and swaps the table in; whatever is wrong with it, the last good one serves on.
    fn reload(&self) {
        let started = Instant::now();
        match load(&self.path) {
            Ok(table) => self.apply(table, started),
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&self, error: &dyn std::error::Error) {
        self.gateway.metrics.reload_failed();
        tracing::error!(
            generation = self.gateway.snapshot.load().generation,
            %error,
            "route table refused; the last good one serves on"
        );
    }

    fn apply(&self, table: Table, started: Instant) {
        let previous = self.gateway.snapshot.load_full();
        // Sockets and certificates come first: a table that can't have them is no good.
        let sockets = match self.listeners.plan(&table, &mut Inherited::default()) {
            Ok(sockets) => sockets,
            Err(error) => return self.refuse(&error),
        };
        if previous.table.admin != table.admin {
            tracing::warn!(
                "a changed `admin` takes effect at the next start; all else applies now"
            );
        }
        self.gateway.extensions.warn_of_unused(&table);
        let now = self.gateway.clock.now();
        let next = Arc::new(Snapshot::next(&previous, table, now));
        drop(start_tasks(&self.gateway, Some(&previous), &next));
        self.gateway.snapshot.store(Arc::clone(&next));
        self.listeners.apply(sockets);
        self.gateway.metrics.reload_succeeded(next.generation);
        tracing::info!(
            generation = next.generation,
            routes = next.table.routes.len(),
            took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "route table applied"
        );
        tell_switches(&previous.table, &next.table);
        drop(previous);
        memory::give_back_after(&next.table);
    }
}

/// Logs every group whose stage was changed by an edit.
fn tell_switches(previous: &Table, next: &Table) {
    for migration in &next.migrations {
        let before = previous
            .migrations
            .iter()
            .find(|old| old.name == migration.name);
        if let Some(before) = before
            && before.stage != migration.stage
        {
            tracing::info!(
                group = %migration.name,
                from = before.stage.as_str(),
                to = migration.stage.as_str(),
                "migration switched"
            );
        }
    }
}

/// Tells one version of a file from another. `None`: there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(Option<[u64; 5]>);

impl Fingerprint {
    pub(crate) fn of(path: &Path) -> Self {
        let numbers = |meta: Metadata| {
            // The change time can't be set back by a tool that keeps modification times.
            [
                meta.dev(),
                meta.ino(),
                meta.size(),
                nanos(meta.mtime(), meta.mtime_nsec()),
                nanos(meta.ctime(), meta.ctime_nsec()),
            ]
        };
        Self(std::fs::metadata(path).ok().map(numbers))
    }
}

fn nanos(seconds: i64, nanos: i64) -> u64 {
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(nanos)
        .cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saving_changes_the_fingerprint() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("routes.yaml");
        let mut prints = vec![Fingerprint::of(&path)];
        std::fs::write(&path, "one").expect("writable");
        prints.push(Fingerprint::of(&path));
        std::fs::write(folder.path().join("new"), "two").expect("writable");
        std::fs::rename(folder.path().join("new"), &path).expect("renamed");
        prints.push(Fingerprint::of(&path));
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(folder.path().join("v2.yaml"), "two").expect("writable");
        std::os::unix::fs::symlink(folder.path().join("v2.yaml"), &path).expect("linked");
        prints.push(Fingerprint::of(&path));
        prints.dedup();
        assert_eq!(prints.len(), 4);
    }

    #[test]
    fn an_absent_file_is_named_in_the_error() {
        let error = load(Path::new("/nowhere/routes.yaml")).expect_err("no such file");
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/routes.yaml: cannot be read")
        );
    }
}
