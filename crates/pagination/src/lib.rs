//! Cursor pagination: the `limit` and `cursor` of a list request, and the page that answers it.
//!
//! A cursor holds the *key of the last item seen*, not an offset, so that items that are added or
//! removed meanwhile neither repeat nor hide others. Clients must treat it as opaque: it is
//! base64url over a small JSON value, and its content may change.
//!
//! The store reads one row more than the page holds ([`PageRequest::rows_to_read`]); whether that
//! row exists is what decides if there is a next page ([`Page::cut`]).
//!
//! ```
//! use pagination::{Page, PageRequest};
//!
//! let request = PageRequest::<u32>::parse(Some(2), None)?;
//! let rows: Vec<u32> = (1..=9).take(request.rows_to_read()).collect();
//! let page = Page::cut(rows, &request, |row| *row);
//! assert_eq!(page.items, [1, 2]);
//!
//! let next = PageRequest::<u32>::parse(Some(2), page.next_cursor.as_deref())?;
//! assert_eq!(next.after(), Some(&2));
//! # Ok::<(), pagination::PageError>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use problem::Problem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Items on a page when the client does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most items a client may ask for in one page.
pub const MAX_LIMIT: u32 = 100;
/// The longest cursor that is decoded at all, in bytes; ours are far shorter.
const MAX_CURSOR_BYTES: usize = 512;

/// What a client asked of a list: at most `limit` items, after the key `K`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    limit: u32,
    after: Option<K>,
}

/// One page of a list, in the shape every service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; `None` (JSON `null`) on the last.
    pub next_cursor: Option<String>,
}

/// Says what is wrong with a `limit` or a `cursor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The limit is outside the range.
    #[error("`limit` must be between 1 and {MAX_LIMIT}, not {0}")]
    LimitOutOfRange(i64),
    /// The cursor was not made by this list.
    #[error("`cursor` is not one this list gave out; start again without it")]
    InvalidCursor,
}

impl<K: DeserializeOwned> PageRequest<K> {
    /// Reads the two query parameters.
    ///
    /// # Errors
    /// `limit` is out of range, or `cursor` is not one that [`Page::cut`] made for this key type.
    pub fn parse(limit: Option<i64>, cursor: Option<&str>) -> Result<Self, PageError> {
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(asked) => u32::try_from(asked)
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or(PageError::LimitOutOfRange(asked))?,
        };
        let after = cursor.map(decode_cursor).transpose()?;
        Ok(Self { limit, after })
    }
}

impl<K> PageRequest<K> {
    /// The most items the page may hold.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The key of the last item the client has seen.
    #[must_use]
    pub fn after(&self) -> Option<&K> {
        self.after.as_ref()
    }

    /// How many rows to read: one more than the page holds, to learn whether there is a next page.
    #[must_use]
    pub fn rows_to_read(&self) -> usize {
        self.limit as usize + 1
    }
}

impl<T> Page<T> {
    /// Cuts `rows` (read with [`PageRequest::rows_to_read`]) to the page, and makes the cursor from
    /// the `key` of its last item if there is more.
    #[must_use]
    pub fn cut<K, Q>(mut rows: Vec<T>, request: &PageRequest<Q>, key: impl Fn(&T) -> K) -> Self
    where
        K: Serialize,
    {
        let more = rows.len() > request.limit as usize;
        rows.truncate(request.limit as usize);
        let next_cursor = if more {
            rows.last().map(|row| encode_cursor(&key(row)))
        } else {
            None
        };
        Self {
            items: rows,
            next_cursor,
        }
    }

    /// A list that fits on one page.
    #[must_use]
    pub fn only(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

impl From<PageError> for Problem {
    fn from(error: PageError) -> Self {
        Self::bad_request(error.to_string())
    }
}

fn encode_cursor<K: Serialize>(key: &K) -> String {
    let json = serde_json::to_vec(key).expect("a list's key is a number or text, which JSON holds");
    URL_SAFE_NO_PAD.encode(json)
}

fn decode_cursor<K: DeserializeOwned>(cursor: &str) -> Result<K, PageError> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return Err(PageError::InvalidCursor);
    }
    let json = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| PageError::InvalidCursor)?;
    serde_json::from_slice(&json).map_err(|_| PageError::InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walking_the_pages_meets_every_item_once() {
        let all: Vec<i64> = (1..=45).collect();
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let request = PageRequest::<i64>::parse(None, cursor.as_deref()).unwrap();
            let after = request.after().copied().unwrap_or(0);
            let rows = all
                .iter()
                .copied()
                .filter(|n| *n > after)
                .take(request.rows_to_read())
                .collect();
            let page = Page::cut(rows, &request, |n| *n);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_page_that_is_exactly_full_has_no_next() {
        let request = PageRequest::<i64>::parse(Some(2), None).unwrap();
        assert_eq!(
            Page::cut(vec![1, 2], &request, |n: &i64| *n).next_cursor,
            None
        );
    }

    #[test]
    fn a_limit_out_of_range_is_told_the_range() {
        for limit in [0, -1, 101, i64::MAX] {
            let error = PageRequest::<i64>::parse(Some(limit), None).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`limit` must be between 1 and 100, not {limit}")
            );
        }
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        let of_text = encode_cursor(&"TEA-001");
        for cursor in ["", "!!", "AAAA", &of_text, &"A".repeat(10_000)] {
            let parsed = PageRequest::<i64>::parse(None, Some(cursor));
            assert_eq!(parsed, Err(PageError::InvalidCursor), "{cursor}");
        }
    }
}
