//! What a customer is, and which changes to one are allowed.

use money::Money;

/// The longest name, e-mail address or city, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// A business that buys from the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) credit_limit: Money,
    /// What open orders hold of the limit.
    pub(crate) open: Money,
    /// Grows by one with every change; a change names the version it was made from.
    pub(crate) version: i64,
}

/// The whole new state of a customer, and the version it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) credit_limit: Money,
    pub(crate) version: i64,
}

/// A field of a customer that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Email,
    City,
    CreditLimit,
}

/// One field of a change that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) field: Field,
    pub(crate) message: String,
}

/// Says why a change was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChangeError {
    /// The change was made from another version than the current one.
    Stale { current: i64 },
    /// All that is wrong with its fields.
    Invalid(Vec<Violation>),
}

impl Customer {
    /// The customer after `change`, at the next version.
    pub(crate) fn changed(&self, change: Change) -> Result<Self, ChangeError> {
        if change.version != self.version {
            return Err(ChangeError::Stale {
                current: self.version,
            });
        }
        let violations = self.violations(&change);
        if !violations.is_empty() {
            return Err(ChangeError::Invalid(violations));
        }
        Ok(Self {
            id: self.id,
            name: change.name.trim().to_owned(),
            email: change.email.trim().to_owned(),
            city: change.city.trim().to_owned(),
            credit_limit: change.credit_limit,
            open: self.open,
            version: self.version.saturating_add(1),
        })
    }

    fn violations(&self, change: &Change) -> Vec<Violation> {
        let checks = [
            (Field::Name, check_text(&change.name)),
            (
                Field::Email,
                check_text(&change.email).and_then(|()| check_email(&change.email)),
            ),
            (Field::City, check_text(&change.city)),
            (Field::CreditLimit, self.check_limit(change.credit_limit)),
        ];
        checks
            .into_iter()
            .filter_map(|(field, check)| check.err().map(|message| Violation { field, message }))
            .collect()
    }

    fn check_limit(&self, limit: Money) -> Result<(), String> {
        if limit.currency != self.credit_limit.currency {
            return Err(format!("must be in {}", self.credit_limit.currency));
        }
        if limit.cents < 0 {
            return Err("must not be negative".to_owned());
        }
        if limit.cents < self.open.cents {
            return Err(format!(
                "must not be below the {} that open orders hold",
                self.open
            ));
        }
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else if text.chars().count() > TEXT_CHARS_MAX {
        Err(format!(
            "must not be longer than {TEXT_CHARS_MAX} characters"
        ))
    } else if text.chars().any(char::is_control) {
        Err("must not contain control characters".to_owned())
    } else {
        Ok(())
    }
}

/// Only what every address has; whether it is somebody's, only a mail to it can tell.
fn check_email(email: &str) -> Result<(), String> {
    match email.trim().rsplit_once('@') {
        Some((local, domain))
            if !local.is_empty() && !domain.is_empty() && !email.trim().contains(' ') =>
        {
            Ok(())
        }
        _ => Err("must be an e-mail address such as orders@shop.example".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> Customer {
        Customer {
            id: 1,
            name: "Harbour Books".into(),
            email: "orders@harbour-books.example".into(),
            city: "Bergen".into(),
            credit_limit: Money::euros(50_000),
            open: Money::euros(12_000),
            version: 3,
        }
    }

    fn change() -> Change {
        Change {
            name: "Harbour Books & Maps".into(),
            email: "orders@harbour-books.example".into(),
            city: "Oslo".into(),
            credit_limit: Money::euros(60_000),
            version: 3,
        }
    }

    #[test]
    fn a_change_moves_the_customer_to_the_next_version() {
        let changed = customer().changed(change()).unwrap();
        assert_eq!((changed.city.as_str(), changed.version), ("Oslo", 4));
        assert_eq!(changed.open, Money::euros(12_000));
    }

    #[test]
    fn a_change_made_from_an_old_version_is_stale() {
        let stale = Change {
            version: 2,
            ..change()
        };
        assert_eq!(
            customer().changed(stale),
            Err(ChangeError::Stale { current: 3 })
        );
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = Change {
            name: "  ".into(),
            email: "nobody".into(),
            city: "x".repeat(201),
            credit_limit: Money::euros(11_999),
            version: 3,
        };
        let Err(ChangeError::Invalid(violations)) = customer().changed(wrong) else {
            panic!("the change should have been refused");
        };
        let fields: Vec<Field> = violations.iter().map(|v| v.field).collect();
        assert_eq!(
            fields,
            [Field::Name, Field::Email, Field::City, Field::CreditLimit]
        );
    }
}
