//! Why a path has no canonical form.

use std::fmt;

/// A path that has no single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PathRefused {
    NotAbsolute,
    TooLong,
    InvalidEscape,
    EncodedSlash,
    Backslash,
    Control,
    InvalidCharacter,
    InvalidUtf8,
    LeavesRoot,
    DotSegmentParameters,
    EmptyAndParentSegments,
}

impl PathRefused {
    /// Says which rule was broken, to the client: nothing of the inside.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path does not start with a slash",
            Self::TooLong => "the path is longer than 8192 bytes",
            Self::InvalidEscape => {
                "the path has a percent sign that is not followed by two hexadecimal digits"
            }
            Self::EncodedSlash => "the path has an encoded slash",
            Self::Backslash => "the path has a backslash",
            Self::Control => "the path has a control character",
            Self::InvalidCharacter => "the path has a character that a URI does not allow",
            Self::InvalidUtf8 => "the path's encoded bytes are not UTF-8",
            Self::LeavesRoot => "the path's dot segments leave the root",
            Self::DotSegmentParameters => "the path has a dot segment with parameters",
            Self::EmptyAndParentSegments => {
                "the path has both an empty segment and a parent segment"
            }
        }
    }
}

impl fmt::Display for PathRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
