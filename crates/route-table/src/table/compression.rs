//! Which answers of a route are compressed, and how.

use std::sync::Arc;

/// `compress:` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Compression {
    /// Default: text in its many shapes; see [`crate::defaults::COMPRESSED_TYPES`].
    pub types: Vec<TypePattern>,
    /// Answers that are known to be smaller stay as they are; default 1 KiB.
    pub min_bytes: u64,
    /// The one that comes first is taken where a client likes several as much; default all.
    pub encodings: Vec<Encoding>,
}

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

/// A media type; one `*` in it stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypePattern(pub(crate) Arc<str>);

impl Compression {
    /// Whether answers of this type, as `Content-Type` says it, are compressed.
    #[must_use]
    pub fn takes(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or("").trim();
        self.types.iter().any(|pattern| pattern.takes(essence))
    }
}

impl Encoding {
    /// As headers and tables spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

impl TypePattern {
    /// As it is written in the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn takes(&self, essence: &str) -> bool {
        let Some((start, end)) = self.0.split_once('*') else {
            return essence.eq_ignore_ascii_case(&self.0);
        };
        let Some(middle) = essence.len().checked_sub(end.len()) else {
            return false;
        };
        middle >= start.len()
            && essence
                .get(..start.len())
                .is_some_and(|text| text.eq_ignore_ascii_case(start))
            && essence
                .get(middle..)
                .is_some_and(|text| text.eq_ignore_ascii_case(end))
    }
}
