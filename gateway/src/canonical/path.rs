//! The canonical form of a path, by RFC 3986 §6.2.2 (case, percent-encoding, path segments).
//!
//! 1. Percent-encoded unreserved characters are decoded; other escapes keep their meaning and get
//!    upper-case digits; raw characters that RFC 3986 does not allow in a path are encoded.
//! 2. `.` and `..` segments, however they were spelled, are resolved (§5.2.4), and runs of slashes
//!    become one.
//!
//! A path that has both an empty and a `..` segment is refused: servers that keep `//` and servers that
//! merge it disagree about what `/a//../b` is.

use std::borrow::Cow;

use super::refused::PathRefused;

/// Bytes of a path, before and after; nginx's and Apache's request line hold as much.
const PATH_BYTES_MAX: usize = 8 * 1024;

/// A path in its one canonical form: starts with `/`, has no dot segments, no `//`, no needless
/// escape. Borrowed when it came so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CanonicalPath<'a>(Cow<'a, str>);

impl CanonicalPath<'_> {
    /// Returns the path's text, ASCII only.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the client spelled it otherwise, so that the request's URI must be replaced.
    pub(crate) fn is_rewritten(&self) -> bool {
        matches!(self.0, Cow::Owned(_))
    }
}

/// Brings a raw path (no query) into its canonical form.
///
/// The common case, a path that is canonical already, is one scan and no allocation.
///
/// # Errors
/// Names the first rule that the path breaks.
pub(crate) fn canonicalize(raw_path: &str) -> Result<CanonicalPath<'_>, PathRefused> {
    if !raw_path.starts_with('/') {
        return Err(PathRefused::NotAbsolute);
    }
    if raw_path.len() > PATH_BYTES_MAX {
        return Err(PathRefused::TooLong);
    }
    if is_plain(raw_path.as_bytes()) {
        return Ok(CanonicalPath(Cow::Borrowed(raw_path)));
    }
    let escaped = normalize_escapes(raw_path)?;
    let resolved = resolve_segments(&escaped)?;
    if resolved == raw_path {
        return Ok(CanonicalPath(Cow::Borrowed(raw_path)));
    }
    if resolved.len() > PATH_BYTES_MAX {
        return Err(PathRefused::TooLong);
    }
    Ok(CanonicalPath(Cow::Owned(resolved)))
}

/// Whether a byte may stand in a path as it is: `pchar` of RFC 3986 without `%`.
const fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const PATH_CHARACTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 entries")]
        {
            table[byte as usize] = is_path_character(byte);
        }
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Whether nothing in the path needs a second look: no escape, no odd character, no segment that is
/// empty or starts with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in path {
        if byte == b'/' {
            if after_slash {
                return false;
            }
            after_slash = true;
            continue;
        }
        let may_stand = PATH_CHARACTERS
            .get(usize::from(byte))
            .is_some_and(|may_stand| *may_stand);
        if !may_stand || (after_slash && byte == b'.') {
            return false;
        }
        after_slash = false;
    }
    true
}

/// Step 1: every character is spelled in one way.
fn normalize_escapes(raw: &str) -> Result<String, PathRefused> {
    let mut out = String::with_capacity(raw.len() + 16);
    // Encoded bytes above ASCII that stand side by side must be UTF-8 together.
    let mut encoded_run: Vec<u8> = Vec::new();
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let decoded = decode_escape(bytes.next(), bytes.next())?;
            if !decoded.is_ascii() {
                encoded_run.push(decoded);
                push_escape(&mut out, decoded);
                continue;
            }
            end_encoded_run(&mut encoded_run)?;
            push_decoded(&mut out, decoded)?;
        } else {
            end_encoded_run(&mut encoded_run)?;
            push_raw(&mut out, byte)?;
        }
    }
    end_encoded_run(&mut encoded_run)?;
    Ok(out)
}

fn decode_escape(high: Option<u8>, low: Option<u8>) -> Result<u8, PathRefused> {
    let digit = |byte: Option<u8>| match byte {
        Some(byte @ b'0'..=b'9') => Some(byte - b'0'),
        Some(byte @ b'a'..=b'f') => Some(byte - b'a' + 10),
        Some(byte @ b'A'..=b'F') => Some(byte - b'A' + 10),
        _ => None,
    };
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathRefused::InvalidEscape),
    }
}

fn end_encoded_run(run: &mut Vec<u8>) -> Result<(), PathRefused> {
    if !run.is_empty() {
        std::str::from_utf8(run).map_err(|_| PathRefused::InvalidUtf8)?;
        run.clear();
    }
    Ok(())
}

/// Adds a character that came percent-encoded.
fn push_decoded(out: &mut String, decoded: u8) -> Result<(), PathRefused> {
    match decoded {
        b'/' => Err(PathRefused::EncodedSlash),
        b'\\' => Err(PathRefused::Backslash),
        byte if byte.is_ascii_control() => Err(PathRefused::Control),
        byte if is_unreserved(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        byte => {
            push_escape(out, byte);
            Ok(())
        }
    }
}

/// Adds a byte that came raw; bytes above ASCII are part of a `str`, so they are UTF-8.
fn push_raw(out: &mut String, byte: u8) -> Result<(), PathRefused> {
    match byte {
        b'\\' => Err(PathRefused::Backslash),
        // A fragment or a query can't be here; a space would split the request line.
        b'?' | b'#' | b' ' => Err(PathRefused::InvalidCharacter),
        byte if byte.is_ascii_control() => Err(PathRefused::Control),
        b'/' => {
            out.push('/');
            Ok(())
        }
        byte if is_path_character(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        byte => {
            push_escape(out, byte);
            Ok(())
        }
    }
}

fn push_escape(out: &mut String, byte: u8) {
    out.push('%');
    for nibble in [byte >> 4, byte & 0xF] {
        let digit = char::from_digit(u32::from(nibble), 16).expect("a nibble is one hex digit");
        out.push(digit.to_ascii_uppercase());
    }
}

/// Step 2: dot segments are resolved and empty ones dropped.
fn resolve_segments(path: &str) -> Result<String, PathRefused> {
    let mut out = String::with_capacity(path.len());
    let (mut empty_seen, mut parent_seen) = (false, false);
    // What stands before the first slash is not a segment.
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "" => empty_seen |= !is_last,
            "." => {}
            ".." => {
                parent_seen = true;
                let parent = out.rfind('/').ok_or(PathRefused::LeavesRoot)?;
                out.truncate(parent);
            }
            segment if is_dot_with_parameters(segment) => {
                return Err(PathRefused::DotSegmentParameters);
            }
            segment => {
                out.push('/');
                out.push_str(segment);
                continue;
            }
        }
        // `/a/`, `/a/.` and `/a/b/..` all name the directory.
        if is_last {
            out.push('/');
        }
    }
    if empty_seen && parent_seen {
        return Err(PathRefused::EmptyAndParentSegments);
    }
    Ok(out)
}

/// `..;x` is `..` to servers that know path parameters and a name to all others.
fn is_dot_with_parameters(segment: &str) -> bool {
    segment
        .strip_prefix("..")
        .or_else(|| segment.strip_prefix('.'))
        .is_some_and(|rest| rest.starts_with(';') || rest.starts_with("%3B"))
}
