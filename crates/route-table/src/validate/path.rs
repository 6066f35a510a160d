//! The path of a `match:`: segments, a prefix, or a regular expression.

use std::fmt::Write as _;

use regex_syntax::hir::literal::{Extractor, Literal};
use smallvec::SmallVec;

use crate::defaults::SEGMENTS_MAX;
use crate::table::{PathKind, PathPattern};

pub(super) fn path_pattern(text: &str) -> Result<PathPattern, String> {
    check_segments(text)?;
    Ok(PathPattern {
        text: text.into(),
        kind: PathKind::Segments,
    })
}

/// `/api` is `/api` and `/api/{*rest}`; `/` is everything.
pub(super) fn prefix_pattern(text: &str) -> Result<PathPattern, String> {
    if text.contains(['{', '}']) {
        return Err("a prefix has no parameters: write `path:` instead".to_owned());
    }
    if text != "/" {
        check_segments(text)?;
    }
    Ok(PathPattern::prefix(text))
}

pub(super) fn regex_pattern(text: &str) -> Result<PathPattern, String> {
    let regex = regex::Regex::new(&format!("^(?:{text})$"))
        .map_err(|error| format!("write a regular expression; this one fails: {error}"))?;
    if !may_begin_with_slash(text) {
        return Err(format!(
            "a path begins with `/`, and the expression is for all of it: `/{text}`"
        ));
    }
    Ok(PathPattern {
        text: text.into(),
        kind: PathKind::Regex(Box::new(regex)),
    })
}

/// Whether a match may begin with `/`, as every path does, by what the expression begins with.
fn may_begin_with_slash(expression: &str) -> bool {
    let Ok(parsed) = regex_syntax::parse(expression) else {
        return true;
    };
    let beginnings = Extractor::new().extract(&parsed);
    beginnings.literals().is_none_or(|beginnings| {
        let fits = |text: &Literal| text.as_bytes().first().is_none_or(|byte| *byte == b'/');
        beginnings.iter().any(fits)
    })
}

fn check_segments(text: &str) -> Result<(), String> {
    let Some(path) = text.strip_prefix('/') else {
        return Err("a path begins with `/`".to_owned());
    };
    if path.contains("//") || path.starts_with('/') {
        return Err(
            "write single slashes: requests are matched in their canonical form".to_owned(),
        );
    }
    let count = path.split('/').count();
    if count > SEGMENTS_MAX {
        return Err(format!("write at most {SEGMENTS_MAX} segments"));
    }
    let mut names = SmallVec::<[&str; 4]>::new();
    for (index, text) in path.split('/').enumerate() {
        let Some(name) = parameter(text)? else {
            check_literal(text)?;
            continue;
        };
        let (name, takes_rest) = match name.strip_prefix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if !is_name(name) {
            return Err(whole_segment());
        }
        if names.contains(&name) {
            return Err(format!(
                "the parameter `{name}` is there twice: give each its own name"
            ));
        }
        names.push(name);
        if takes_rest && index + 1 < count {
            return Err("`{*…}` takes all that is left: it must come last".to_owned());
        }
    }
    Ok(())
}

/// What stands in the braces of a segment; `None` for a literal.
fn parameter(text: &str) -> Result<Option<&str>, String> {
    match text.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}').map(Some).ok_or_else(whole_segment),
        None if text.contains(['{', '}']) => Err(whole_segment()),
        None => Ok(None),
    }
}

fn whole_segment() -> String {
    "a parameter is a whole segment: `/orders/{id}`, `/web/{*rest}`".to_owned()
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

/// A literal must be spelled as canonical paths are (RFC 3986, section 6.2.2), or it could never match.
pub(super) fn check_literal(text: &str) -> Result<(), String> {
    if matches!(text, "." | "..") {
        return Err("dot segments never reach the table".to_owned());
    }
    for (char, mend) in [
        ('?', "a path has no query: write `query:` beside `path:`"),
        ('#', "a fragment never reaches a server"),
        ('\\', "paths with a backslash are refused"),
    ] {
        if text.contains(char) {
            return Err(format!("`{char}` cannot stand in a path: {mend}"));
        }
    }
    let canonical = canonical_literal(text)?;
    if canonical == text {
        return Ok(());
    }
    Err(format!(
        "write `{canonical}`: requests are matched in their canonical form, in which `{text}` is spelled so"
    ))
}

/// A segment as canonical paths spell it: what may stand raw does, all else is percent-encoded.
fn canonical_literal(text: &str) -> Result<String, String> {
    let mut canonical = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let encoded = *byte == b'%';
        let byte = if encoded {
            let (digits, after) = rest.split_at_checked(2).ok_or_else(percent)?;
            rest = after;
            escaped_byte(digits).ok_or_else(percent)?
        } else {
            *byte
        };
        match byte {
            b'/' | b'\\' => {
                return Err("paths with an encoded slash or backslash are refused".to_owned());
            }
            byte if byte.is_ascii_control() => {
                return Err("paths with control characters are refused".to_owned());
            }
            byte if is_unreserved(byte) || (!encoded && is_delimiter(byte)) => {
                canonical.push(char::from(byte));
            }
            byte => {
                // Writing to a string never fails.
                let _ = write!(canonical, "%{byte:02X}");
            }
        }
    }
    Ok(canonical)
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(value(high)? << 4 | value(low)?).ok()
}

fn percent() -> String {
    "write `%25` for a percent sign, or two hexadecimal digits after it".to_owned()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `sub-delims`, `:` and `@`: encoded they mean something else than raw (RFC 3986, section 2.2).
fn is_delimiter(byte: u8) -> bool {
    b"!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(outcome: Result<PathPattern, String>, mend: &str) {
        match outcome {
            Ok(path) => panic!("`{}` was taken", path.text),
            Err(said) => assert!(said.contains(mend), "{said}"),
        }
    }

    #[test]
    fn a_literal_is_written_in_its_canonical_form() {
        for text in [
            "/caf%C3%A9",
            "/a%20b",
            "/a%7Cb",
            "/100%25",
            "/a:b@c",
            "/(a)!$&'*,=;+",
            "/~a",
        ] {
            assert!(path_pattern(text).is_ok(), "{text}");
        }
        for (written, mend) in [
            ("/café", "write `caf%C3%A9`"),
            ("/caf%c3%a9", "write `caf%C3%A9`"),
            ("/a b", "write `a%20b`"),
            ("/a|b", "write `a%7Cb`"),
            ("/[a]\"", "write `%5Ba%5D%22`"),
            ("/%61pi", "write `api`"),
            ("/50%", "write `%25`"),
            ("/a%2", "write `%25`"),
            ("/a%zz", "write `%25`"),
            ("/a%+1", "write `%25`"),
            ("/a%2Fb", "encoded slash"),
            ("/a%00", "control"),
            ("/a?b=c", "`query:`"),
            ("/a\\b", "backslash"),
        ] {
            assert_refused(path_pattern(written), mend);
            assert_refused(prefix_pattern(written), mend);
        }
    }

    #[test]
    fn an_expression_that_can_match_no_path_is_refused() {
        for text in [
            "/v[0-9]+/.*",
            ".*",
            r".*\.php",
            "(/a|/b)",
            "/?a.*|/b",
            "[/a]b",
            "(?i)/a",
        ] {
            assert!(regex_pattern(text).is_ok(), "{text}");
        }
        for text in ["orders/[0-9]+", "(a|b)", "v[0-9]", "[ab]/c"] {
            assert_refused(regex_pattern(text), "a path begins with `/`");
        }
        assert_refused(regex_pattern("/("), "this one fails");
    }
}
