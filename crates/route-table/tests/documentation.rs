//! Every example of the documentation is a table that loads.

use std::path::{Path, PathBuf};

use route_table::{Source, load_api_keys, load_files};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Pages with examples, each with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = std::fs::read_dir(root().join("docs")).expect("the folder of the documentation");
    let docs = docs.map(|entry| entry.expect("a page").path());
    let pages = docs.chain([root().join("README.md"), root().join("CONTRIBUTING.md")]);
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a page");
        (path, text)
    };
    pages.map(read).collect()
}

/// The code blocks of a language.
fn blocks<'p>(page: &'p str, language: &str) -> impl Iterator<Item = &'p str> {
    let begin = format!("```{language}\n");
    let mut blocks: Vec<_> = page.split(&*begin).skip(1).collect();
    for block in &mut blocks {
        *block = block.split("```").next().unwrap_or_default();
    }
    blocks.into_iter()
}

#[test]
fn every_example_loads() {
    let mut good = 0;
    for (path, page) in pages() {
        let file = path.display().to_string();
        let source = |text| Source {
            file: &file,
            text,
            base_dir: Path::new("."),
            env: &|_| None,
        };
        let mut first = None;
        for text in blocks(&page, "yaml") {
            good += 1;
            if text.starts_with("keys:") {
                load_api_keys(&source(text)).expect("a file of API keys");
                continue;
            }
            let table = match first {
                // One that a table before it includes.
                Some(first) if !text.contains("listeners:") => vec![source(first), source(text)],
                _ => vec![source(text)],
            };
            load_files(&table).expect("an example loads");
            first.get_or_insert(text);
        }
    }
    assert!(good >= 25, "the pages have lost their examples: {good}");
}

/// Pages that are no feature's.
const OTHERS: [&str; 6] = [
    "demo.md",
    "errors.md",
    "observability.md",
    "performance.md",
    "routes-yaml.md",
    "testing.md",
];

#[test]
fn every_feature_has_a_purpose_an_example_its_metrics_and_its_failure_answers() {
    let docs = root().join("docs");
    let features = pages().into_iter().filter(|(path, _)| {
        let is_other = OTHERS.iter().any(|other| path.ends_with(other));
        path.starts_with(&docs) && !is_other
    });
    for (path, page) in features {
        let titles: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();
        let file = path.display();
        assert_eq!(titles.first(), Some(&"## Example"), "{file}");
        for title in ["## Metrics", "## Failure answers"] {
            assert!(titles.contains(&title), "{file} has no `{title}`");
        }
        let purpose = page.lines().skip(1).find(|line| !line.is_empty());
        assert!(purpose.is_some_and(|line| !line.starts_with('#')), "{file}");
    }
}
