//! Users: the shop's seeded customers, who all share one published password. This is a provider for
//! development; hashing a password that stands on the login page would only look safe.

use serde::Deserialize;

use crate::opaque::Hash;

/// The password of every user. The login page says so.
pub(crate) const DEVELOPMENT_PASSWORD: &str = "demo";

const SEED: &str = include_str!("../../../shop/seed/customers.json");

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The customer's id, as text.
    pub(crate) sub: String,
    pub(crate) name: String,
    /// Also the user name.
    pub(crate) email: String,
}

/// Everybody who can sign in.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    users: Vec<User>,
    password: Hash,
}

#[derive(Debug, Deserialize)]
struct SeedCustomer {
    id: i64,
    name: String,
    email: String,
}

impl Directory {
    /// The seeded customers.
    pub(crate) fn seeded() -> Result<Self, serde_json::Error> {
        let users = serde_json::from_str::<Vec<SeedCustomer>>(SEED)?
            .into_iter()
            .map(|seed| User {
                sub: seed.id.to_string(),
                name: seed.name,
                email: seed.email,
            })
            .collect();
        Ok(Self {
            users,
            password: Hash::of(DEVELOPMENT_PASSWORD),
        })
    }

    /// Everybody, by id.
    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn by_sub(&self, sub: &str) -> Option<&User> {
        self.users.iter().find(|user| user.sub == sub)
    }

    pub(crate) fn by_email(&self, email: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| user.email.eq_ignore_ascii_case(email.trim()))
    }

    /// The user whose name and password these are.
    pub(crate) fn authenticate(&self, email: &str, password: &str) -> Option<&User> {
        // Both questions are asked whatever the first answer is.
        let right = Hash::of(password) == self.password;
        self.by_email(email).filter(|_| right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_customer_signs_in_by_mail_address_in_any_case() {
        let directory = Directory::seeded().unwrap();
        let user = directory
            .authenticate(" Orders@Harbour-Books.example", "demo")
            .unwrap();
        assert_eq!(
            (user.sub.as_str(), user.name.as_str()),
            ("1", "Harbour Books")
        );
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_are_both_refused() {
        let directory = Directory::seeded().unwrap();
        assert_eq!(
            directory.authenticate("orders@harbour-books.example", "Demo"),
            None
        );
        assert_eq!(directory.authenticate("nobody@example.test", "demo"), None);
    }
}
