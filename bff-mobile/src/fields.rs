//! `fields=`: only the parts that an app asks for.

use problem::Problem;
use serde::Deserialize;

/// The query of a screen.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Sparse {
    /// Names of parts, separated by commas; absent or empty: all.
    #[serde(default)]
    fields: String,
}

/// What was asked for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<&'static str>);

impl Sparse {
    /// Reads the names against those that the screen has.
    ///
    /// # Errors
    /// 400 for a name that it has not: an app with a misspelt name must not wait for it in vain.
    pub(crate) fn of(&self, screen: &[&'static str]) -> Result<Fields, Problem> {
        let asked = self.fields.split(',').map(str::trim);
        let asked: Vec<&str> = asked.filter(|name| !name.is_empty()).collect();
        if asked.is_empty() {
            return Ok(Fields(screen.to_vec()));
        }
        if asked.iter().any(|name| !screen.contains(name)) {
            let known = screen.join(", ");
            return Err(Problem::bad_request(format!(
                "`fields` may name {known}, separated by commas"
            )));
        }
        let wanted = screen.iter().copied();
        Ok(Fields(wanted.filter(|name| asked.contains(name)).collect()))
    }
}

impl Fields {
    /// Whether a part is wanted at all.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: [&str; 3] = ["customer", "orders", "featured"];

    fn fields(text: &str) -> Result<Fields, Problem> {
        let fields = text.to_owned();
        Sparse { fields }.of(&SCREEN)
    }

    #[test]
    fn without_names_all_parts_are_wanted() {
        for text in ["", " ", ","] {
            assert_eq!(fields(text), Ok(Fields(SCREEN.to_vec())), "`{text}`");
        }
    }

    #[test]
    fn only_the_named_parts_are_wanted() {
        let fields = fields("orders, customer,").expect("known names");
        assert!(fields.wants("orders") && fields.wants("customer") && !fields.wants("featured"));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let problem = fields("orders,basket").expect_err("unknown");
        assert!(problem.detail().contains("customer, orders, featured"));
    }
}
