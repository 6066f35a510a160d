//! Follows the route table's files and applies what people write into them.
//!
//! The files are looked at ten times a second. That costs a `stat` each and finds every way of saving a
//! file alike: written in place, renamed over by an editor, or swapped by a symbolic link as Kubernetes
//! does; no event is lost on network file systems. A change is read when it has stood still for one
//! look, so that a file being written is not taken for a finished one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use route_table::{Include, Table};

use super::kept_table::KeptTable;
use super::last_good::{Refused, Settled, settle};
use super::table_files::{LoadError, Look, TableFiles};
use crate::control::{memory, start_tasks};
use crate::defaults::TABLE_POLL;
use crate::lifecycle::{Inherited, Listeners, service_manager};
use crate::routing::Snapshot;
use crate::state::GatewayState;

/// The table that the gateway starts with.
#[derive(Debug)]
pub(crate) struct FirstTable {
    pub(crate) table: Table,
    pub(crate) files: Followed,
    /// Included files that are not as they are on disk, but as they were last good.
    pub(crate) refused: Vec<Arc<str>>,
}

/// Reads the table to start with. Where an included file is broken, it serves as `kept` has it.
///
/// # Errors
/// [`LoadError`]: the first file is broken, or an included one of which no good version is known.
pub(crate) fn first_table(path: &Path, kept: &KeptTable) -> Result<FirstTable, LoadError> {
    let files = TableFiles::read(path)?;
    let mut followed = Followed::new(path, &files);
    let (table, files, refused) = match files.compile() {
        Ok(table) => (table, files, Vec::new()),
        Err(errors) => {
            let Some(last_good) = kept.read(path) else {
                return Err(LoadError::Invalid(errors));
            };
            let Settled { table, refused } = settle(files, &last_good);
            let starts_elsewhere = refused.iter().any(|one| Path::new(&*one.file) == path);
            match table {
                Some((table, files)) if !starts_elsewhere => (table, files, refused),
                _ => return Err(LoadError::Invalid(errors)),
            }
        }
    };
    tell_refused(&refused);
    followed.is_good(files, kept);
    memory::give_back_after(&table);
    Ok(FirstTable {
        table,
        files: followed,
        refused: names(&refused),
    })
}

/// What is known of the files on disk.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    path: PathBuf,
    includes: Vec<Include>,
    /// The versions that were read last.
    read: Look,
    /// Those of the table in use. A table of one file is its own last good version.
    last_good: Option<TableFiles>,
}

impl Followed {
    fn new(path: &Path, files: &TableFiles) -> Self {
        Self {
            path: path.to_owned(),
            includes: files.includes().to_vec(),
            read: files.look(),
            last_good: None,
        }
    }

    fn look(&self) -> Look {
        Look::now(&self.path, &self.includes)
    }

    /// Reads the files, and notes which versions they are.
    fn read(&mut self) -> Result<TableFiles, LoadError> {
        let before = self.look();
        let files = TableFiles::read(&self.path).inspect_err(|_| self.read = before)?;
        self.includes = files.includes().to_vec();
        self.read = files.look();
        Ok(files)
    }

    /// Notes the files of the table in use. Their texts are held only where one file's error must not
    /// touch the others.
    fn is_good(&mut self, files: TableFiles, kept: &KeptTable) {
        if files.includes().is_empty() {
            self.last_good = None;
        } else {
            kept.write(&files);
            self.last_good = Some(files);
        }
    }
}

/// Applies new versions of a table's files.
#[derive(Debug)]
pub(crate) struct Reloader {
    pub(crate) gateway: Arc<GatewayState>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) kept: KeptTable,
    pub(crate) files: Followed,
}

impl Reloader {
    /// Follows the files for ever; a signal on `now` (SIGHUP) reads them at once.
    pub(crate) async fn follow(mut self, now: &tokio::sync::Notify) {
        let mut seen = self.files.read.clone();
        let mut ticks = tokio::time::interval(TABLE_POLL);
        loop {
            tokio::select! {
                () = now.notified() => {
                    self.reload();
                    seen = self.files.read.clone();
                    service_manager::ready();
                }
                _ = ticks.tick() => {
                    let current = self.files.look();
                    if current != self.files.read && current == seen {
                        self.reload();
                    }
                    seen = current;
                }
            }
        }
    }

    /// Reads the files and swaps the table in; whatever is wrong with one, its last good version serves on.
    fn reload(&mut self) {
        let started = Instant::now();
        let files = match self.files.read() {
            Ok(files) => files,
            Err(error) => return self.refuse(&error),
        };
        let settled = match &self.files.last_good {
            Some(last_good) => settle(files, last_good),
            None => match files.compile() {
                Ok(table) => Settled {
                    table: Some((table, files)),
                    refused: Vec::new(),
                },
                Err(errors) => return self.refuse(&errors),
            },
        };
        tell_refused(&settled.refused);
        match settled.table {
            Some((table, files)) => self.apply(table, files, &settled.refused, started),
            None => self.gateway.metrics.reload_failed(&names(&settled.refused)),
        }
    }

    fn refuse(&self, error: &dyn std::error::Error) {
        self.gateway.metrics.reload_failed(&[]);
        tracing::error!(
            generation = self.gateway.snapshot.load().generation,
            %error,
            "route table refused; the last good one serves on"
        );
    }

    fn apply(&mut self, table: Table, files: TableFiles, refused: &[Refused], started: Instant) {
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
        self.files.is_good(files, &self.kept);
        let metrics = &self.gateway.metrics;
        metrics.table_applied(next.generation, &names(refused));
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

/// The files' names.
fn names(refused: &[Refused]) -> Vec<Arc<str>> {
    refused.iter().map(|one| Arc::clone(&one.file)).collect()
}

fn tell_refused(refused: &[Refused]) {
    for Refused { file, errors } in refused {
        tracing::error!(
            %file,
            error = %errors,
            "file of the route table refused; its last good version serves on"
        );
    }
}
