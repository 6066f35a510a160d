//! Amounts of money as `xsd:decimal` with two digits after the point.

/// Writes cents as a decimal: 45000 is `450.00`.
#[must_use]
pub fn from_cents(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Reads a decimal as cents; `None` if it is no decimal, has a fraction of a cent, or is too large.
///
/// The schema lets one write `+5`, `.5`, `5.` and `5.000`, and spaces around it.
#[must_use]
pub fn to_cents(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    // Read with the sign, so that the smallest number has a reading too.
    format!("{}{whole}{fraction:0<2}", if negative { "-" } else { "" })
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_schema_allows_is_read() {
        for (text, cents) in [
            ("500.00", 50_000),
            (" 5 ", 500),
            ("+5.", 500),
            (".5", 50),
            ("-0.05", -5),
            ("5.1000", 510),
            ("007", 700),
        ] {
            assert_eq!(to_cents(text), Some(cents), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "-",
            "1,50",
            "1.005",
            "1e3",
            "NaN",
            "--1",
            "1.2.3",
            "0x1",
            "٣",
            "92233720368547758.08",
            "1 0",
        ] {
            assert_eq!(to_cents(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_amount_comes_back_as_it_was(cents in any::<i64>()) {
            prop_assert_eq!(to_cents(&from_cents(cents)), Some(cents));
        }
    }
}
