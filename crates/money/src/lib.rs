//! Money in whole cents: the JSON shape every service speaks, and arithmetic that cannot go wrong
//! silently.
//!
//! An amount is a signed number of cents and an ISO 4217 currency code. There are no floats and no
//! operators: every sum is checked, because an overflow or a sum of two currencies is a mistake in
//! the caller that must surface as an error rather than as a wrong invoice.
//!
//! ```
//! use money::Money;
//!
//! let line = Money::euros(450).checked_mul(2)?;
//! let total = line.checked_add(Money::euros(4800))?;
//! assert_eq!(total.to_string(), "57.00 EUR");
//! # Ok::<(), money::MoneyError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A three-letter ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// An amount in the hundredth part of its currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The amount in cents; negative for a debt.
    pub cents: i64,
    /// The currency; amounts of different currencies never mix.
    pub currency: Currency,
}

/// Says why a sum has no answer, or a currency code no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The two amounts are in different currencies.
    #[error("{0} and {1} do not mix")]
    CurrencyMismatch(Currency, Currency),
    /// The answer does not fit into 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// The text is not three upper-case letters.
    #[error("`{0}` is not a currency code of three upper-case letters")]
    InvalidCurrency(String),
}

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency code is made of ASCII letters only")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::InvalidCurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Money {
    /// An amount of `cents` in `currency`.
    #[must_use]
    pub const fn new(cents: i64, currency: Currency) -> Self {
        Self { cents, currency }
    }

    /// An amount in euro cents.
    #[must_use]
    pub const fn euros(cents: i64) -> Self {
        Self::new(cents, Currency::EUR)
    }

    /// The sum of two amounts.
    ///
    /// # Errors
    /// The currencies differ, or the sum overflows.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_cents(self.cents.checked_add(other.cents))
    }

    /// The difference of two amounts; it may be negative.
    ///
    /// # Errors
    /// The currencies differ, or the difference overflows.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_cents(self.cents.checked_sub(other.cents))
    }

    /// The amount `quantity` times over.
    ///
    /// # Errors
    /// The product overflows.
    pub fn checked_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        self.with_cents(self.cents.checked_mul(i64::from(quantity)))
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }

    fn with_cents(self, cents: Option<i64>) -> Result<Self, MoneyError> {
        cents
            .map(|cents| Self::new(cents, self.currency))
            .ok_or(MoneyError::Overflow)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let cents = self.cents.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:02} {}",
            cents / 100,
            cents % 100,
            self.currency
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn money_is_written_as_cents_and_a_currency() {
        let json = serde_json::to_string(&Money::euros(450)).unwrap();
        assert_eq!(json, r#"{"cents":450,"currency":"EUR"}"#);
        assert_eq!(
            serde_json::from_str::<Money>(&json).unwrap(),
            Money::euros(450)
        );
    }

    #[test]
    fn fractions_and_odd_currencies_are_refused() {
        for json in [
            r#"{"cents":4.5,"currency":"EUR"}"#,
            r#"{"cents":450,"currency":"eur"}"#,
            r#"{"cents":450,"currency":"EURO"}"#,
            r#"{"cents":450}"#,
            r#"{"cents":9223372036854775808,"currency":"EUR"}"#,
        ] {
            assert!(
                serde_json::from_str::<Money>(json).is_err(),
                "{json} was accepted"
            );
        }
    }

    #[test]
    fn different_currencies_do_not_mix() {
        let crowns = Money::new(100, "NOK".parse().unwrap());
        let error = Money::euros(1).checked_add(crowns).unwrap_err();
        assert_eq!(error.to_string(), "EUR and NOK do not mix");
    }

    #[test]
    fn an_overflow_is_an_error() {
        assert_eq!(
            Money::euros(i64::MAX).checked_mul(2),
            Err(MoneyError::Overflow)
        );
        assert_eq!(
            Money::euros(i64::MIN).checked_sub(Money::euros(1)),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn small_and_negative_amounts_keep_their_zeros() {
        assert_eq!(Money::euros(-5).to_string(), "-0.05 EUR");
        assert_eq!(
            Money::euros(i64::MIN).to_string(),
            "-92233720368547758.08 EUR"
        );
    }

    proptest! {
        #[test]
        fn taking_away_what_was_added_gives_the_amount_back(a in any::<i32>(), b in any::<i32>()) {
            let (a, b) = (Money::euros(a.into()), Money::euros(b.into()));
            prop_assert_eq!(a.checked_add(b).unwrap().checked_sub(b).unwrap(), a);
        }
    }
}
