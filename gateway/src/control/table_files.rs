//! The files of a route table: the first one and those that it includes, read from disk and compiled.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use route_table::lint::{Finding, Lint};
use route_table::table::{Position, ProviderKind, Upstream};
use route_table::{Include, Source, Table, TableError, TableErrors};

use crate::auth;
use crate::control::{Fingerprint, answer_files, memory};
use crate::defaults::INCLUDED_FILES_MAX;
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
/// [`LoadError`], with all that is wrong in its files.
pub(crate) fn load(path: &Path) -> Result<Table, LoadError> {
    let files = TableFiles::read(path)?;
    let table = files.compile().map_err(LoadError::Invalid)?;
    drop(files);
    memory::give_back_after(&table);
    Ok(table)
}

/// All files of a table, the first one first, the others by name.
#[derive(Debug, Clone)]
pub(crate) struct TableFiles {
    files: Vec<TableFile>,
    includes: Vec<Include>,
    /// What is wrong with the patterns themselves.
    errors: Vec<TableError>,
}

/// One file as it was read.
#[derive(Debug, Clone)]
pub(super) struct TableFile {
    pub(super) path: PathBuf,
    /// As errors name it.
    pub(super) name: Arc<str>,
    /// The version that was read.
    print: Fingerprint,
    /// Or why there is none.
    pub(super) text: Result<Arc<str>, Arc<str>>,
}

impl TableFile {
    /// A file of which a text is known.
    pub(super) fn known(path: PathBuf, text: Arc<str>) -> Self {
        Self {
            name: path.display().to_string().into(),
            print: Fingerprint::of(&path),
            path,
            text: Ok(text),
        }
    }

    /// A change between the look at the file and its reading will be seen as one: the look comes first.
    fn read(path: PathBuf) -> Self {
        let print = Fingerprint::of(&path);
        let text = std::fs::read_to_string(&path);
        Self {
            name: path.display().to_string().into(),
            print,
            path,
            text: text
                .map(Into::into)
                .map_err(|error| error.to_string().into()),
        }
    }

    fn source(&self) -> Option<Source<'_>> {
        let text = self.text.as_ref().ok()?;
        Some(Source {
            file: &self.name,
            text,
            base_dir: folder(&self.path),
            env: &|name| std::env::var(name).ok(),
        })
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

impl TableFiles {
    /// Reads the files as they are now.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`] for the first file. What is wrong with one that it includes is said by
    /// [`TableFiles::compile`].
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let print = Fingerprint::of(path);
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let first = TableFile {
            print,
            ..TableFile::known(path.to_owned(), text.into())
        };
        let includes = first.source().map(|source| route_table::includes(&source));
        let includes = includes.unwrap_or_default();
        let (paths, errors) = included(path, &includes);
        let mut files = vec![first];
        files.extend(paths.into_iter().map(TableFile::read));
        Ok(Self {
            files,
            includes,
            errors,
        })
    }

    /// Files whose texts are known already.
    pub(super) fn of(files: Vec<TableFile>) -> Self {
        let first = files.first().and_then(TableFile::source);
        let includes = first.map(|source| route_table::includes(&source));
        Self {
            files,
            includes: includes.unwrap_or_default(),
            errors: Vec::new(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TableFile> {
        self.files.iter()
    }

    pub(super) fn named(&self, name: &str) -> Option<&TableFile> {
        self.files.iter().find(|file| &*file.name == name)
    }

    /// What the first file says of others; with none the table is one file.
    pub(super) fn includes(&self) -> &[Include] {
        &self.includes
    }

    /// The versions that were read.
    pub(super) fn look(&self) -> Look {
        let files = self.files.iter();
        Look(files.map(|file| (file.path.clone(), file.print)).collect())
    }

    /// Compiles the table, and checks all that it depends on.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub(crate) fn compile(&self) -> Result<Table, TableErrors> {
        let sources: Vec<Source<'_>> = self.files.iter().filter_map(TableFile::source).collect();
        let mut errors = self.errors.clone();
        errors.extend(self.files.iter().filter_map(unreadable));
        let table = match route_table::load_files(&sources) {
            Ok(mut table) => {
                errors.extend(self.tls_errors(&table));
                errors.extend(answer_files::read_in(&mut table, self));
                errors.extend(self.api_key_errors(&table));
                errors.extend(self.issuer_error(&table));
                Some(table)
            }
            Err(TableErrors(found)) => {
                errors.extend(found);
                None
            }
        };
        match table {
            Some(table) if errors.is_empty() => Ok(table),
            _ => Err(TableErrors(errors)),
        }
    }

    /// What the first file includes and does not find.
    pub(crate) fn empty_includes(&self) -> Vec<Finding> {
        let Some(first) = self.files.first() else {
            return Vec::new();
        };
        let is_empty = |include: &&Include| {
            let (found, _) = included(&first.path, std::slice::from_ref(include));
            found.is_empty()
        };
        let empty = self.includes.iter().filter(is_empty);
        let finding = |include: &Include| Finding {
            lint: Lint::EmptyInclude,
            position: include.position.clone(),
            message: format!("`include` finds no file: {}", include.pattern),
            mend: "check the path: it starts in the folder of this file".to_owned(),
        };
        empty.map(finding).collect()
    }

    /// The line that a position points at.
    pub(crate) fn line(&self, position: &Position) -> String {
        let text = self.named(&position.file).map(|file| &file.text);
        let line = usize::try_from(position.line.saturating_sub(1)).unwrap_or(0);
        let line = text.and_then(|text| text.as_ref().ok()?.lines().nth(line));
        line.unwrap_or_default().to_owned()
    }

    /// The upstreams whose TLS files can't be used. The table's own checks read no files.
    fn tls_errors(&self, table: &Table) -> Vec<TableError> {
        let error = |upstream: &Upstream| {
            let error = ClientTls::build(upstream).err()?;
            Some(TableError {
                position: upstream.position.clone(),
                message: format!("TLS of upstream `{}`: {error}", upstream.name),
                mend: "name readable PEM files: `tls: { ca, server_name, cert, key }`".to_owned(),
                source_line: self.line(&upstream.position),
            })
        };
        let upstreams = table.upstreams.iter();
        let asking = upstreams.filter(|upstream| ClientTls::is_asked_for(upstream));
        asking.filter_map(error).collect()
    }

    /// What is wrong with the gateway's own signing key.
    fn issuer_error(&self, table: &Table) -> Option<TableError> {
        let error = auth::OwnIssuer::load(table.issuer.as_ref()?).err()?;
        Some(TableError {
            position: beginning(&self.files.first()?.name),
            message: format!("`auth.issuer`: {error}"),
            mend: "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
                .to_owned(),
            source_line: String::new(),
        })
    }

    /// What is wrong with files of API keys.
    fn api_key_errors(&self, table: &Table) -> Vec<TableError> {
        let mut errors = Vec::new();
        for provider in &table.providers {
            let ProviderKind::ApiKeys(file) = &provider.kind else {
                continue;
            };
            match auth::read_api_keys(&file.path) {
                Ok(_) => {}
                Err(LoadError::Invalid(found)) => errors.extend(found.0),
                Err(unreadable) => errors.push(TableError {
                    position: provider.position.clone(),
                    message: format!("API keys of provider `{}`: {unreadable}", provider.name),
                    mend: "name a readable file: `api_keys: { file: api-keys.yaml }`".to_owned(),
                    source_line: self.line(&provider.position),
                }),
            }
        }
        errors
    }
}

/// Versions of all files of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look(Vec<(PathBuf, Fingerprint)>);

impl Look {
    /// The versions that are on disk now.
    pub(super) fn now(first: &Path, includes: &[Include]) -> Self {
        let (included, _) = included(first, includes);
        let print = |path: PathBuf| {
            let print = Fingerprint::of(&path);
            (path, print)
        };
        let paths = std::iter::once(first.to_owned()).chain(included);
        Self(paths.map(print).collect())
    }
}

fn beginning(file: &Arc<str>) -> Position {
    Position {
        file: Arc::clone(file),
        line: 1,
        column: 1,
    }
}

fn unreadable(file: &TableFile) -> Option<TableError> {
    let error = file.text.as_ref().err()?;
    Some(TableError {
        position: beginning(&file.name),
        message: format!("cannot be read: {error}"),
        mend: "make it readable, or take it out of `include`".to_owned(),
        source_line: String::new(),
    })
}

/// The files that the first one includes, by name, each once; and what is wrong with the patterns.
fn included(first: &Path, includes: &[Include]) -> (Vec<PathBuf>, Vec<TableError>) {
    let (mut paths, mut errors) = (Vec::new(), Vec::new());
    let base = folder(first);
    let options = glob::MatchOptions {
        require_literal_separator: true,
        // Editors leave hidden files behind.
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    for Include { position, pattern } in includes {
        if glob::Pattern::escape(pattern) == *pattern {
            paths.push(base.join(pattern));
            continue;
        }
        let below = glob::Pattern::escape(&base.display().to_string());
        let whole = Path::new(&below).join(pattern);
        match glob::glob_with(&whole.display().to_string(), options) {
            // A folder that can't be read has no files.
            Ok(found) => paths.extend(found.flatten().filter(|path| path.is_file())),
            Err(error) => errors.push(TableError {
                position: position.clone(),
                message: format!("`include` cannot be `{pattern}`: {}", error.msg),
                mend: "write a path such as `routes.d/*.yaml`".to_owned(),
                source_line: String::new(),
            }),
        }
    }
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| path != first);
    if let Some(include) = includes.first()
        && paths.len() > INCLUDED_FILES_MAX
    {
        errors.push(TableError {
            position: include.position.clone(),
            message: format!("{} files are too many to include", paths.len()),
            mend: format!("a table has up to {INCLUDED_FILES_MAX}; put some together"),
            source_line: String::new(),
        });
        paths.truncate(INCLUDED_FILES_MAX);
    }
    (paths, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

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
