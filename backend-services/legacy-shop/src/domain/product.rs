//! What a product is, and what one may ask of the list of them.

use money::Money;
use serde::Serialize;

/// The most products one request may name in `ids`: what fits on the largest page.
const IDS_MAX: usize = pagination::MAX_LIMIT as usize;
/// The longest `q`, in characters, and the most words in it that are searched for.
const QUERY_CHARS_MAX: usize = 200;
const QUERY_WORDS_MAX: usize = 8;

/// Something the shop sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    pub(crate) version: i64,
}

/// Which products a list is about; every condition that is given must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Words in lower case that SKU, name or description must contain, all of them.
    pub(crate) words: Vec<String>,
    pub(crate) category: Option<String>,
    /// Exactly these SKUs; an empty list means none, not all.
    pub(crate) skus: Option<Vec<String>>,
}

/// Says what is wrong with a search.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("`ids` names {0} products; at most {IDS_MAX} are answered at once")]
    TooManyIds(usize),
    #[error("`q` must not be longer than {QUERY_CHARS_MAX} characters")]
    QueryTooLong,
    #[error("`q` has {0} words; at most {QUERY_WORDS_MAX} are searched for")]
    TooManyWords(usize),
}

impl Filter {
    /// Reads the query parameters `q`, `category` and `ids`.
    pub(crate) fn parse(
        q: Option<&str>,
        category: Option<String>,
        ids: Option<&str>,
    ) -> Result<Self, FilterError> {
        Ok(Self {
            words: q.map(parse_words).transpose()?.unwrap_or_default(),
            category: category.filter(|category| !category.is_empty()),
            skus: ids.map(parse_ids).transpose()?,
        })
    }
}

/// The text that searches look into.
pub(crate) fn search_text(sku: &str, name: &str, description: &str) -> String {
    format!("{sku}\n{name}\n{description}").to_lowercase()
}

fn parse_words(q: &str) -> Result<Vec<String>, FilterError> {
    if q.chars().count() > QUERY_CHARS_MAX {
        return Err(FilterError::QueryTooLong);
    }
    let words: Vec<String> = q
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if words.len() > QUERY_WORDS_MAX {
        return Err(FilterError::TooManyWords(words.len()));
    }
    Ok(words)
}

fn parse_ids(ids: &str) -> Result<Vec<String>, FilterError> {
    let mut skus: Vec<String> = ids
        .split(',')
        .map(str::trim)
        .filter(|sku| !sku.is_empty())
        .map(str::to_owned)
        .collect();
    skus.sort_unstable();
    skus.dedup();
    if skus.len() > IDS_MAX {
        return Err(FilterError::TooManyIds(skus.len()));
    }
    Ok(skus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_as_words_in_lower_case() {
        let filter = Filter::parse(Some(" Green  CAFÉ "), Some(String::new()), None).unwrap();
        assert_eq!(filter.words, ["green", "café"]);
        assert_eq!(filter.category, None);
    }

    #[test]
    fn ids_are_trimmed_and_counted_once_and_none_means_no_products() {
        let ids = |ids| Filter::parse(None, None, Some(ids)).unwrap().skus;
        assert_eq!(
            ids("TEA-001, CUP-001,TEA-001,").unwrap(),
            ["CUP-001", "TEA-001"]
        );
        assert_eq!(ids(""), Some(Vec::new()));
    }

    #[test]
    fn searches_are_bounded() {
        let parsed = Filter::parse(Some(&"x".repeat(201)), None, None);
        assert_eq!(parsed, Err(FilterError::QueryTooLong));
        let parsed = Filter::parse(Some(&"x ".repeat(9)), None, None);
        assert_eq!(parsed, Err(FilterError::TooManyWords(9)));
    }
}
