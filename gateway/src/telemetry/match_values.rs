//! Values of those parts of a request that the table wants logged for `plan`.

use http::HeaderMap;
use route_table::table::AccessLog;

/// Each part by its name in the table, with all its values; none: the request did not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchValues(Vec<(String, Vec<String>)>);

impl MatchValues {
    /// Reads them off a request; `None` when the table names none.
    pub(crate) fn of(
        rules: &AccessLog,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Option<Box<Self>> {
        if rules.match_fields.is_empty() {
            return None;
        }
        let fields = rules.match_fields.iter();
        let values = fields.map(|field| (field.to_string(), field.values(headers, query)));
        Some(Box::new(Self(values.collect())))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }
}
