//! Times, sizes and rates, always with their unit.

use std::time::Duration;

use crate::defaults::DURATION_MAX;
use crate::parse::Node;
use crate::table::Rate;
use crate::validate::decoder::{Decoder, Fields};

/// Reads a time with its unit: `250ms`, `15s`, `5m`, `1h`, `1d`.
///
/// # Errors
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mend =
        || "write a whole number and a unit, such as `250ms`, `15s`, `5m` or `1h`".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(mend)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(mend()),
    };
    let duration = number.checked_mul(unit_ms).map(Duration::from_millis);
    duration
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "write at most seven days, `7d`".to_owned())
}

/// Reads a size with its unit: `512B`, `64KiB`, `10MiB`, `1GiB`.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let mend = || "write a whole number and a unit, such as `64KiB` or `10MiB`".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(mend)?;
    let unit_bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(mend()),
    };
    number.checked_mul(unit_bytes).ok_or_else(mend)
}

/// Reads `N/s`, `N/m`, `N/h` or `N/d` as a count and a period.
fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let mend =
        || "write a count and a period, such as `50/s`, `1000/m`, `10/h` or `100/d`".to_owned();
    let (count, period) = text.split_once('/').ok_or_else(mend)?;
    let count = count
        .trim()
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(mend)?;
    let seconds = match period.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(mend()),
    };
    Ok((count, Duration::from_secs(seconds)))
}

/// Splits `10MiB` into 10 and `MiB`; blanks between them are allowed.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

impl Decoder<'_> {
    /// A time above zero; `default` when it is absent or wrong.
    pub(super) fn duration(
        &mut self,
        node: Option<&Node>,
        key: &str,
        default: Duration,
    ) -> Duration {
        let positive = |text: &str| match parse_duration(text)? {
            Duration::ZERO => Err("write a time above zero".to_owned()),
            duration => Ok(duration),
        };
        node.and_then(|node| self.parsed(node, key, positive))
            .unwrap_or(default)
    }

    /// A whole number within bounds.
    pub(super) fn count(
        &mut self,
        node: Option<&Node>,
        key: &str,
        bounds: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let read = |text: &str| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number.ok_or_else(|| {
                format!(
                    "write a whole number from {} to {}",
                    bounds.start(),
                    bounds.end()
                )
            })
        };
        node.and_then(|node| self.parsed(node, key, read))
            .unwrap_or(default)
    }

    /// `rate` and `burst` of a limit.
    pub(super) fn rate(&mut self, fields: &mut Fields<'_>) -> Rate {
        let mend = "write for example `rate: 50/s`";
        let rate = fields.require(self, "rate", mend);
        let rate = rate.and_then(|node| self.parsed(node, "rate", parse_rate));
        let (count, period) = rate.unwrap_or((1, Duration::from_secs(1)));
        let burst = fields.take("burst");
        let burst = self.count(burst, "burst", 1..=1_000_000_000, count);
        Rate {
            count,
            period,
            burst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_their_unit() {
        for (text, ms) in [
            ("250ms", 250),
            ("15s", 15_000),
            ("5m", 300_000),
            ("1 h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for wrong in [
            "",
            "15",
            "s",
            "1.5s",
            "-1s",
            "15sec",
            "8d",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_carry_their_unit() {
        assert_eq!(parse_bytes("10MiB"), Ok(10 * 1024 * 1024));
        assert_eq!(parse_bytes("0B"), Ok(0));
        for wrong in ["10", "10MB", "MiB", "99999999999GiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_carry_their_period() {
        assert_eq!(parse_rate("50/s"), Ok((50, Duration::from_secs(1))));
        assert_eq!(parse_rate("2/m"), Ok((2, Duration::from_secs(60))));
        for wrong in ["50", "0/s", "50/y", "/s", "-1/s"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}
