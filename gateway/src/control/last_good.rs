//! One team's error is nobody else's: of the edits to a table's files, those apply that are good together.
//!
//! All of them are tried at once, then without the files that errors point at, then one at a time. A file
//! that is set aside serves on as it was last good; an edit can be a new file's, or a file's removal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use route_table::{Table, TableError, TableErrors};

use super::table_files::{TableFile, TableFiles};

/// What has become of edits.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The table of the edits that apply, with its files; `None`: the table in use stays.
    pub(crate) table: Option<(Table, TableFiles)>,
    pub(crate) refused: Vec<Refused>,
}

/// A file that serves on as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) file: Arc<str>,
    pub(crate) errors: TableErrors,
}

/// Finds out which edits apply. `last_good` are the files of the table in use.
pub(crate) fn settle(edited: TableFiles, last_good: &TableFiles) -> Settled {
    let errors = match edited.compile() {
        Ok(table) => {
            return Settled {
                table: Some((table, edited)),
                refused: Vec::new(),
            };
        }
        Err(errors) => errors,
    };
    let edits = Edits {
        edited: &edited,
        last_good,
    };
    let changed = edits.changed();
    let refused = blamed(&errors);
    let aside = refused.iter().map(|refused| Arc::clone(&refused.file));
    let aside: BTreeSet<Arc<str>> = aside.filter(|file| changed.contains(file)).collect();
    if aside.len() == refused.len()
        && let files = edits.without(&aside)
        && let Ok(table) = files.compile()
    {
        return Settled {
            table: Some((table, files)),
            refused,
        };
    }
    match changed.as_slice() {
        // Something else has changed: a certificate, the environment.
        [] => Settled {
            table: None,
            refused,
        },
        [file] => Settled {
            table: None,
            refused: vec![Refused {
                file: Arc::clone(file),
                errors,
            }],
        },
        changed => edits.one_by_one(changed),
    }
}

/// Files as they are, and as they were when they were good.
struct Edits<'e> {
    edited: &'e TableFiles,
    last_good: &'e TableFiles,
}

impl Edits<'_> {
    /// The names of files that are not what they were, the first file before the others.
    fn changed(&self) -> Vec<Arc<str>> {
        let is_changed = |file: &&TableFile| {
            let before = self.last_good.named(&file.name);
            before.is_none_or(|before| before.text != file.text)
        };
        let is_gone = |file: &&TableFile| self.edited.named(&file.name).is_none();
        let changed = self.edited.iter().filter(is_changed);
        let gone = self.last_good.iter().filter(is_gone);
        changed
            .chain(gone)
            .map(|file| Arc::clone(&file.name))
            .collect()
    }

    /// The files with these as they were.
    fn without(&self, aside: &BTreeSet<Arc<str>>) -> TableFiles {
        let first_is_aside = self
            .edited
            .iter()
            .take(1)
            .any(|file| aside.contains(&file.name));
        // Which files belong to the table is the first one's word.
        let (listed, other) = if first_is_aside {
            (self.last_good, None)
        } else {
            (self.edited, Some(self.last_good))
        };
        let restored = other.into_iter().flat_map(TableFiles::iter);
        let restored = restored
            .filter(|file| aside.contains(&file.name) && self.edited.named(&file.name).is_none());
        let as_chosen = |file: &TableFile| {
            let (now, before) = (
                self.edited.named(&file.name),
                self.last_good.named(&file.name),
            );
            if aside.contains(&file.name) {
                before.cloned()
            } else {
                now.or(before).cloned()
            }
        };
        let mut files: Vec<TableFile> = listed
            .iter()
            .chain(restored)
            .filter_map(as_chosen)
            .collect();
        if let Some((_, included)) = files.split_first_mut() {
            included.sort_by(|one, other| one.path.cmp(&other.path));
        }
        TableFiles::of(files)
    }

    /// Puts edits in one after the other, as long as the table stays good. Those that need a later one get
    /// a second chance.
    fn one_by_one(&self, changed: &[Arc<str>]) -> Settled {
        let mut aside: BTreeSet<Arc<str>> = changed.iter().cloned().collect();
        let (mut table, mut refused) = (None, Vec::new());
        for _ in 0..2 {
            refused.clear();
            for name in changed {
                if !aside.remove(name) {
                    continue;
                }
                let files = self.without(&aside);
                match files.compile() {
                    Ok(good) => table = Some((good, files)),
                    Err(errors) => {
                        aside.insert(Arc::clone(name));
                        let file = Arc::clone(name);
                        refused.push(Refused { file, errors });
                    }
                }
            }
        }
        Settled { table, refused }
    }
}

/// Errors by the files that they point at.
fn blamed(errors: &TableErrors) -> Vec<Refused> {
    let mut by_file: BTreeMap<Arc<str>, Vec<TableError>> = BTreeMap::new();
    for error in &errors.0 {
        let file = Arc::clone(&error.position.file);
        by_file.entry(file).or_default().push(error.clone());
    }
    let refused = |(file, errors)| Refused {
        file,
        errors: TableErrors(errors),
    };
    by_file.into_iter().map(refused).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    const FIRST: &str = "version: 1
listeners: [ { bind: '127.0.0.1:0' } ]
include: teams/*.yaml
upstreams: { legacy: { endpoints: ['http://127.0.0.1:1'] } }
routes: [ { match: { prefix: / }, to: { upstream: legacy } } ]
";

    /// A table of a first file and two teams'.
    struct Teams {
        folder: TempDir,
        last_good: TableFiles,
    }

    fn row(team: &str, upstream: &str) -> String {
        let prefix = format!("{{ prefix: /{team} }}");
        format!("version: 1\nroutes: [ {{ match: {prefix}, to: {{ upstream: {upstream} }} }} ]\n")
    }

    impl Teams {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("teams")).unwrap();
            write(folder.path(), "routes.yaml", FIRST);
            write(folder.path(), "teams/a.yaml", &row("a", "legacy"));
            write(folder.path(), "teams/b.yaml", &row("b", "legacy"));
            let last_good = TableFiles::read(&folder.path().join("routes.yaml")).unwrap();
            Self { folder, last_good }
        }

        fn edit(&self, file: &str, text: &str) -> &Self {
            write(self.folder.path(), file, text);
            self
        }

        /// The paths of the routes that serve, and the names of the files that were set aside.
        fn settled(&self) -> (Vec<String>, Vec<String>) {
            let first = self.folder.path().join("routes.yaml");
            let settled = settle(TableFiles::read(&first).unwrap(), &self.last_good);
            let table = match settled.table {
                Some((table, _)) => table,
                None => self.last_good.compile().unwrap(),
            };
            let routes = table.routes.iter();
            let short = |file: &Arc<str>| {
                let path = Path::new(&**file);
                let path = path.strip_prefix(self.folder.path()).unwrap();
                path.display().to_string()
            };
            (
                routes.map(|route| route.name.to_string()).collect(),
                settled.refused.iter().map(|one| short(&one.file)).collect(),
            )
        }
    }

    fn write(folder: &Path, file: &str, text: &str) {
        std::fs::write(folder.join(file), text).unwrap();
    }

    #[track_caller]
    fn assert_settled(teams: &Teams, routes: &[&str], refused: &[&str]) {
        let (found, aside) = teams.settled();
        assert_eq!(found, routes);
        assert_eq!(aside, refused);
    }

    #[test]
    fn good_edits_apply_together() {
        let teams = Teams::new();
        teams.edit("teams/c.yaml", &row("c", "legacy"));
        teams.edit("teams/a.yaml", &row("a2", "legacy"));
        std::fs::remove_file(teams.folder.path().join("teams/b.yaml")).unwrap();
        assert_settled(&teams, &["/*", "/a2/*", "/c/*"], &[]);
    }

    #[test]
    fn a_broken_file_stays_as_it_was_and_the_others_edits_apply() {
        let teams = Teams::new();
        teams.edit("teams/a.yaml", &row("a2", "lagacy"));
        teams.edit("teams/b.yaml", &row("b2", "legacy"));
        assert_settled(&teams, &["/*", "/a/*", "/b2/*"], &["teams/a.yaml"]);
    }

    #[test]
    fn a_broken_new_file_is_left_out() {
        let teams = Teams::new();
        teams.edit("teams/c.yaml", "version: 1\nroutes: [");
        teams.edit("teams/b.yaml", &row("b2", "legacy"));
        assert_settled(&teams, &["/*", "/a/*", "/b2/*"], &["teams/c.yaml"]);
    }

    #[test]
    fn a_broken_first_file_stays_as_it_was_and_the_teams_edits_apply() {
        let teams = Teams::new();
        teams.edit("routes.yaml", &FIRST.replace("version: 1", "version: 2"));
        teams.edit("teams/b.yaml", &row("b2", "legacy"));
        assert_settled(&teams, &["/*", "/a/*", "/b2/*"], &["routes.yaml"]);
    }

    #[test]
    fn an_edit_that_makes_another_file_wrong_is_the_one_set_aside() {
        let teams = Teams::new();
        // It takes the row of the other; what is wrong is then said of the later file.
        teams.edit("teams/a.yaml", &row("b", "legacy"));
        assert_settled(&teams, &["/*", "/a/*", "/b/*"], &["teams/a.yaml"]);
    }

    #[test]
    fn edits_that_need_each_other_apply_in_any_order() {
        let teams = Teams::new();
        let upstream = "upstreams: { new: { endpoints: ['http://127.0.0.1:2'] } }\n";
        teams.edit("teams/a.yaml", &row("a2", "new"));
        teams.edit("teams/b.yaml", &(row("b2", "new") + upstream));
        teams.edit("teams/c.yaml", "nothing good");
        let refused = ["teams/c.yaml"];
        assert_settled(&teams, &["/*", "/a2/*", "/b2/*"], &refused);
    }

    #[test]
    fn removing_what_others_need_is_refused() {
        let teams = Teams::new();
        let without = FIRST
            .replace("legacy:", "modern:")
            .replace("upstream: legacy", "upstream: modern");
        teams.edit("routes.yaml", &without);
        teams.edit("teams/b.yaml", &row("b2", "legacy"));
        assert_settled(&teams, &["/*", "/a/*", "/b2/*"], &["routes.yaml"]);
    }

    #[test]
    fn a_refused_file_comes_with_what_is_wrong_in_it() {
        let teams = Teams::new();
        teams.edit("teams/a.yaml", &row("a", "legacy").repeat(2));
        let first = teams.folder.path().join("routes.yaml");
        let settled = settle(TableFiles::read(&first).unwrap(), &teams.last_good);
        assert_eq!(settled.refused.len(), 1);
        let shown = settled.refused[0].errors.to_string();
        assert!(
            shown.contains("teams/a.yaml:3:1: `version` is given twice"),
            "{shown}"
        );
    }
}
