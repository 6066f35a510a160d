//! Files that the table names, error pages for instance: read in with it, and followed.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use route_table::table::{File, FileUse};
use route_table::{Table, TableError};
use tokio::sync::Notify;

use crate::control::Fingerprint;
use crate::control::table_files::TableFiles;
use crate::defaults::{ANSWER_FILE_BYTES_MAX, ANSWER_FILE_POLL};
use crate::respond::page;
use crate::state::GatewayState;

/// Reads in all files of a table; what is wrong with them. The table's own checks read no files.
pub(super) fn read_in(table: &mut Table, named_in: &TableFiles) -> Vec<TableError> {
    let mut errors = Vec::new();
    for file in &mut table.files {
        match read(file) {
            Ok(content) => file.content = content,
            Err((message, mend)) => errors.push(TableError {
                position: file.position.clone(),
                message: format!("{}: {message}", file.path.display()),
                mend,
                source_line: named_in.line(&file.position),
            }),
        }
    }
    errors
}

/// The content of a file, or what is wrong with it and how to mend that.
fn read(file: &File) -> Result<Bytes, (String, String)> {
    let content = bounded(&file.path).map_err(|error| {
        let mend = "name a readable file, from the folder of the table".to_owned();
        (format!("cannot be read: {error}"), mend)
    })?;
    if content.len() > ANSWER_FILE_BYTES_MAX {
        let mend = "write less than 1 MiB, and serve larger files from an upstream".to_owned();
        return Err(("is too large to be held in memory".to_owned(), mend));
    }
    if file.used_as == FileUse::Page {
        page::check(&content)?;
    }
    Ok(content.into())
}

/// A file's content, or a little more of it than is allowed.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(ANSWER_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut content)?;
    Ok(content)
}

/// Looks at the files of the table in use for ever, and has it read anew when one has changed.
pub(crate) async fn follow_answer_files(gateway: Arc<GatewayState>, reload_now: Arc<Notify>) {
    let mut looks = HashMap::new();
    let mut ticks = tokio::time::interval(ANSWER_FILE_POLL);
    loop {
        ticks.tick().await;
        let snapshot = gateway.snapshot.load_full();
        let mut changed = false;
        for file in &snapshot.table.files {
            changed |= Look::at(&mut looks, file);
        }
        if changed {
            reload_now.notify_one();
        }
    }
}

/// What was seen of a file.
#[derive(Debug)]
struct Look {
    last: Fingerprint,
    /// The version that was last compared with the one in use.
    judged: Option<Fingerprint>,
}

impl Look {
    /// Whether a file has changed and stood still since the look before.
    fn at(looks: &mut HashMap<PathBuf, Self>, file: &File) -> bool {
        let now = Fingerprint::of(&file.path);
        let Some(look) = looks.get_mut(&file.path) else {
            let first = Self {
                last: now,
                judged: None,
            };
            looks.insert(file.path.clone(), first);
            return false;
        };
        let stands_still = std::mem::replace(&mut look.last, now) == now;
        if !stands_still || look.judged == Some(now) {
            return false;
        }
        match look.judged.replace(now) {
            Some(_) => true,
            // It may have been written to since it was read in.
            None => bounded(&file.path).ok().as_deref() != Some(&*file.content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::load;

    /// A table whose one route has this, beside these files.
    fn loaded(keys: &str, files: &[(&str, &[u8])]) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let table = folder.path().join("routes.yaml");
        let text = format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\nroutes:\n- {{ match: {{ prefix: / }}, {keys} }}\n"
        );
        std::fs::write(&table, text).unwrap();
        load(&table).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_read_in_once_however_often_they_are_named() {
        let keys = "to: { respond: { body_file: a.html } }, error_pages: { 404: a.html, 5xx: a.html, 410: b.html }";
        let table = loaded(keys, &[("a.html", b"a"), ("b.html", b"b")]).unwrap();
        let contents: Vec<_> = table.files.iter().map(|file| &file.content[..]).collect();
        assert_eq!(contents, [b"a", b"a", b"b"], "a body, and two pages");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_where_it_is_named() {
        let large = vec![b' '; ANSWER_FILE_BYTES_MAX + 1];
        let files = [
            ("odd.html", &b"<p>{{ reason }}"[..]),
            ("open.html", b"<p>{{ status"),
            ("latin.html", b"\xe9"),
            ("large.html", &large),
        ];
        for (name, expected) in [
            ("absent.html", "cannot be read: No such file"),
            ("odd.html", "`{{ reason }}` stands for nothing"),
            ("open.html", "a `{{` is not closed"),
            ("latin.html", "is not UTF-8"),
            ("large.html", "is too large"),
        ] {
            let keys = format!("to: {{ respond: {{}} }}, error_pages: {{ 404: {name} }}");
            let shown = loaded(&keys, &files).expect_err(name);
            assert!(shown.contains(expected), "{shown}");
            assert!(shown.contains("routes.yaml:4:"), "{shown}");
            assert!(shown.contains("= mend: "), "{shown}");
        }
    }

    #[test]
    fn a_change_is_seen_once_when_it_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        std::fs::write(&path, "one").unwrap();
        let source = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\nroutes:\n\
                      - { match: { prefix: / }, to: { respond: { body_file: page.html } } }\n";
        let table = folder.path().join("routes.yaml");
        std::fs::write(&table, source).unwrap();
        let table = load(&table).unwrap();
        let file = &table.files[0];
        let mut looks = HashMap::new();
        let mut look = || Look::at(&mut looks, file);
        assert_eq!([look(), look(), look()], [false; 3], "as it was read in");
        std::fs::write(&path, "one and two").unwrap();
        assert_eq!([look(), look(), look()], [false, true, false]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!([look(), look(), look()], [false, true, false]);
    }
}
