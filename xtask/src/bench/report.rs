//! What a bench found, on the terminal and in docs/performance.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::bench::rounds::Measured;

/// One bench's findings.
#[derive(Debug)]
pub(super) struct Section {
    /// What the command line calls it.
    name: &'static str,
    title: &'static str,
    /// What was measured, in a sentence.
    about: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    verdicts: Vec<Verdict>,
}

/// Whether a bar is met.
#[derive(Debug)]
pub(super) struct Verdict {
    what: String,
    measured: f64,
    bar: f64,
    unit: &'static str,
}

impl Verdict {
    /// A ratio that may be `bar` at most.
    pub(super) fn at_most(what: &str, measured: f64, bar: f64) -> Self {
        Self::in_units(what, measured, bar, "")
    }

    /// A value with its unit that may be `bar` at most.
    pub(super) fn in_units(what: &str, measured: f64, bar: f64, unit: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            bar,
            unit,
        }
    }

    fn line(&self) -> String {
        let Self {
            what,
            measured,
            bar,
            unit,
        } = self;
        let met = if measured <= bar { "met" } else { "not met" };
        format!("bar {what}: {measured:.2}{unit}, at most {bar:.2}{unit}: {met}")
    }
}

impl Section {
    pub(super) fn new(
        name: &'static str,
        title: &'static str,
        about: impl Into<String>,
        header: &[&'static str],
        rows: Vec<Vec<String>>,
        verdicts: Vec<Verdict>,
    ) -> Self {
        Self {
            name,
            title,
            about: about.into(),
            header: header.to_vec(),
            rows,
            verdicts,
        }
    }

    /// A table of contestants; the first is what the others are related to.
    pub(super) fn of_rounds(
        name: &'static str,
        title: &'static str,
        about: impl Into<String>,
        measured: &[Measured],
        verdicts: Vec<Verdict>,
    ) -> Self {
        let header = [
            "",
            "µs CPU a request",
            "ratio",
            "requests/s",
            "p50",
            "p99",
            "failed",
        ];
        let rows = measured
            .iter()
            .map(|one| {
                let ratio = measured.first().map_or(1.0, |first| one.cpu_to(first));
                vec![
                    one.name.clone(),
                    format!("{:.1}", one.cpu()),
                    format!("{ratio:.2}"),
                    format!("{:.0}", one.rate()),
                    format!("{:.2?}", one.p50()),
                    format!("{:.2?}", one.p99()),
                    one.failed().to_string(),
                ]
            })
            .collect();
        Self::new(name, title, about, &header, rows, verdicts)
    }

    /// Markdown.
    pub(super) fn text(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = self.header.iter().map(ToString::to_string).collect();
        let rule = vec!["---".to_owned(); header.len()];
        let mut text = format!("## {}\n{}\n\n", self.title, self.about);
        text += &row(&header);
        text += &row(&rule);
        for cells in &self.rows {
            text += &row(cells);
        }
        for verdict in &self.verdicts {
            let _ = write!(text, "\n- {}", verdict.line());
        }
        text.push('\n');
        text
    }

    /// Puts the section where the page has its marks; a section that is new comes last.
    ///
    /// # Errors
    /// When the page can't be read or written.
    pub(super) fn write(&self, page: &Path, machine: &str) -> anyhow::Result<()> {
        let old =
            fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
        let text = format!("{}\n{machine}\n", self.text());
        fs::write(page, replaced(&old, self.name, &text))
            .with_context(|| format!("cannot write {}", page.display()))
    }
}

/// The page with `text` between the marks of `name`.
fn replaced(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (
        format!("<!-- bench {name} -->\n"),
        format!("<!-- end of bench {name} -->\n"),
    );
    let section = format!("{begin}{text}{end}");
    let parts = page
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{section}{after}"),
        None => format!("{}\n\n{section}", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_where_it_stands_and_a_new_one_comes_last() {
        let page = replaced("# Page\n", "one", "first\n");
        let page = replaced(&page, "two", "second\n");
        let page = replaced(&page, "one", "again\n");
        assert_eq!(
            page,
            "# Page\n\n<!-- bench one -->\nagain\n<!-- end of bench one -->\n\n\
             <!-- bench two -->\nsecond\n<!-- end of bench two -->\n"
        );
    }

    #[test]
    fn a_verdict_says_whether_the_bar_is_met() {
        let line = |measured| Verdict::at_most("1: cost", measured, 1.1).line();
        assert_eq!(line(1.1), "bar 1: cost: 1.10, at most 1.10: met");
        assert_eq!(line(1.11), "bar 1: cost: 1.11, at most 1.10: not met");
    }
}
