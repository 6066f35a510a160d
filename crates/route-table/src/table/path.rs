//! The path of a route, kept as it was written.

use std::sync::Arc;

/// Name of what a `prefix:` leaves.
const PREFIX_REST: &str = "rest";

/// What a `prefix:` ends in where it is shown.
const PREFIX_SIGN: &str = "/*";

/// The path a route serves.
#[derive(Debug, Clone)]
pub struct PathPattern {
    /// As written in the file; of a `prefix: /web`, `/web/*`.
    pub text: Arc<str>,
    pub kind: PathKind,
}

/// How the path is compared.
#[derive(Debug, Clone)]
pub enum PathKind {
    /// Segment by segment.
    Segments,
    /// Written as `prefix:`: takes the bare prefix as well as everything below it.
    Prefix,
    /// Last resort, tried after every other pattern, in file order; anchored at both ends.
    Regex(Box<regex::Regex>),
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Segment<'p> {
    Literal(&'p str),
    /// `{name}`: exactly one non-empty segment.
    Param(&'p str),
    /// `{*name}`: all that is left, which may be empty: `/web/{*rest}` takes `/web/` and `/web/a/b`.
    /// A `prefix: /web` of the file is `/web` and `/web/{*rest}` at once.
    Rest(&'p str),
}

impl PathPattern {
    /// A `prefix:`, written with or without a slash at its end.
    pub(crate) fn prefix(written: &str) -> Self {
        let bare = written.strip_suffix('/').unwrap_or(written);
        Self {
            text: format!("{bare}{PREFIX_SIGN}").into(),
            kind: PathKind::Prefix,
        }
    }

    /// Segments after the leading `/`; `/` alone is one empty literal. A regular expression has none.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let (written, rest) = match self.kind {
            PathKind::Segments => (Some(&*self.text), None),
            PathKind::Prefix => {
                let bare = self.text.strip_suffix(PREFIX_SIGN);
                (bare, Some(Segment::Rest(PREFIX_REST)))
            }
            PathKind::Regex(_) => (None, None),
        };
        let written = written.and_then(|text| text.strip_prefix('/'));
        let written = written.into_iter().flat_map(|path| path.split('/'));
        written.map(segment).chain(rest)
    }
}

/// Names are known to be well formed: validation has seen them.
fn segment(text: &str) -> Segment<'_> {
    let name = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    match name {
        None => Segment::Literal(text),
        Some(name) => match name.strip_prefix('*') {
            Some(name) => Segment::Rest(name),
            None => Segment::Param(name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn segments_are(path: &PathPattern, segments: &[Segment<'_>]) {
        assert_eq!(path.segments().collect::<Vec<_>>(), segments);
    }

    #[test]
    fn a_path_is_its_segments() {
        let path = |text: &str| PathPattern {
            text: text.into(),
            kind: PathKind::Segments,
        };
        segments_are(&path("/"), &[Segment::Literal("")]);
        segments_are(
            &path("/orders/{id}/{*files}"),
            &[
                Segment::Literal("orders"),
                Segment::Param("id"),
                Segment::Rest("files"),
            ],
        );
    }

    #[test]
    fn a_prefix_is_its_segments_and_all_that_follows() {
        let rest = Segment::Rest("rest");
        segments_are(&PathPattern::prefix("/"), &[rest]);
        for written in ["/web/app", "/web/app/"] {
            let web = [Segment::Literal("web"), Segment::Literal("app"), rest];
            segments_are(&PathPattern::prefix(written), &web);
        }
    }
}
