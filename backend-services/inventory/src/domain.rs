//! Stock arithmetic, and what a reservation may look like. Pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most lines of a reservation.
const LINES_MAX: usize = 100;
/// The most of one product that one reservation may take.
const QUANTITY_MAX: u32 = 10_000;
/// The most products one request may name in `skus`: what fits on the largest page.
const SKUS_MAX: usize = pagination::MAX_LIMIT as usize;

/// How much there is of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct Stock {
    pub(crate) sku: String,
    /// Units that may still be reserved.
    pub(crate) available: u32,
    /// Units that reservations hold.
    pub(crate) reserved: u32,
    /// Grows by one with every change.
    pub(crate) version: i64,
}

/// A quantity of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// Whether a reservation holds its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum ReservationStatus {
    Reserved,
    /// Holds nothing and never will: the tombstone.
    Released,
}

/// Stock that is held for somebody under an id of their choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reservation {
    pub(crate) id: Uuid,
    pub(crate) status: ReservationStatus,
    /// By SKU, each once.
    pub(crate) lines: Vec<Line>,
}

/// What somebody asks to reserve, checked: at least one line, by SKU, each SKU once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines(Vec<Line>);

/// Says what is wrong with the lines of a reservation, or with a list of SKUs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinesError {
    #[error("`lines` must hold between 1 and {LINES_MAX} lines, not {0}")]
    Count(usize),
    #[error("the quantity of {sku} must be between 1 and {QUANTITY_MAX}, not {quantity}")]
    Quantity { sku: String, quantity: u32 },
    #[error("{0} is in two lines; make it one")]
    Repeated(String),
    #[error("`skus` names {0} products; at most {SKUS_MAX} are answered at once")]
    TooManySkus(usize),
}

/// There is less than was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shortage;

/// The books do not add up: more is to be released than was ever reserved.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{quantity} of {sku} are to be released, but {reserved} are reserved")]
pub(crate) struct Imbalance {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) reserved: u32,
}

impl Stock {
    /// The stock after `quantity` was set aside.
    pub(crate) fn reserve(&self, quantity: u32) -> Result<Self, Shortage> {
        let available = self.available.checked_sub(quantity).ok_or(Shortage)?;
        // Together they never exceed what was counted, which fits: an overflow is a shortage too.
        let reserved = self.reserved.checked_add(quantity).ok_or(Shortage)?;
        Ok(self.with(available, reserved))
    }

    /// The stock after `quantity` that was set aside is available again.
    pub(crate) fn release(&self, quantity: u32) -> Result<Self, Imbalance> {
        let moved = self
            .reserved
            .checked_sub(quantity)
            .zip(self.available.checked_add(quantity));
        let (reserved, available) = moved.ok_or_else(|| Imbalance {
            sku: self.sku.clone(),
            quantity,
            reserved: self.reserved,
        })?;
        Ok(self.with(available, reserved))
    }

    /// The stock after a count found `available` units beside the reserved ones.
    pub(crate) fn recount(&self, available: u32) -> Self {
        self.with(available, self.reserved)
    }

    fn with(&self, available: u32, reserved: u32) -> Self {
        let version = self.version.saturating_add(1);
        Self {
            sku: self.sku.clone(),
            available,
            reserved,
            version,
        }
    }
}

impl Lines {
    /// Checks what a client sent, and sorts it: always locking and comparing in one order.
    pub(crate) fn parse(mut lines: Vec<Line>) -> Result<Self, LinesError> {
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(LinesError::Count(lines.len()));
        }
        if let Some(line) = lines
            .iter()
            .find(|line| !(1..=QUANTITY_MAX).contains(&line.quantity))
        {
            let (sku, quantity) = (line.sku.clone(), line.quantity);
            return Err(LinesError::Quantity { sku, quantity });
        }
        lines.sort_unstable_by(|a, b| a.sku.cmp(&b.sku));
        if let Some([line, _]) = lines.array_windows().find(|[a, b]| a.sku == b.sku) {
            return Err(LinesError::Repeated(line.sku.clone()));
        }
        Ok(Self(lines))
    }

    /// The lines, by SKU.
    pub(crate) fn as_slice(&self) -> &[Line] {
        &self.0
    }
}

/// Reads the query parameter `skus`; an empty list means none, not all.
pub(crate) fn parse_skus(skus: &str) -> Result<Vec<String>, LinesError> {
    let mut skus: Vec<String> = skus
        .split(',')
        .map(str::trim)
        .filter(|sku| !sku.is_empty())
        .map(str::to_owned)
        .collect();
    skus.sort_unstable();
    skus.dedup();
    if skus.len() > SKUS_MAX {
        return Err(LinesError::TooManySkus(skus.len()));
    }
    Ok(skus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stock(available: u32, reserved: u32) -> Stock {
        Stock {
            sku: "POT-001".into(),
            available,
            reserved,
            version: 1,
        }
    }

    fn line(sku: &str, quantity: u32) -> Line {
        Line {
            sku: sku.into(),
            quantity,
        }
    }

    #[test]
    fn the_last_unit_can_be_reserved_and_no_more() {
        let sold_out = stock(2, 0).reserve(2).unwrap();
        assert_eq!(
            (sold_out.available, sold_out.reserved, sold_out.version),
            (0, 2, 2)
        );
        assert_eq!(sold_out.reserve(1), Err(Shortage));
    }

    #[test]
    fn more_than_is_reserved_cannot_be_released() {
        let error = stock(5, 1).release(2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 of POT-001 are to be released, but 1 are reserved"
        );
    }

    #[test]
    fn a_count_leaves_reservations_alone() {
        let counted = stock(5, 3).recount(9);
        assert_eq!((counted.available, counted.reserved), (9, 3));
    }

    #[test]
    fn lines_are_compared_whatever_their_order() {
        let one = Lines::parse(vec![line("B", 1), line("A", 2)]).unwrap();
        let other = Lines::parse(vec![line("A", 2), line("B", 1)]).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn odd_lines_are_refused() {
        assert_eq!(Lines::parse(Vec::new()), Err(LinesError::Count(0)));
        assert_eq!(
            Lines::parse(vec![line("A", 1), line("B", 1), line("A", 3)]),
            Err(LinesError::Repeated("A".into()))
        );
        for quantity in [0, 10_001] {
            let refused = LinesError::Quantity {
                sku: "A".into(),
                quantity,
            };
            assert_eq!(Lines::parse(vec![line("A", quantity)]), Err(refused));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_reserved_and_released_nothing_is_made_or_lost(
            counted in 0..1_000_u32,
            moves in prop::collection::vec((any::<bool>(), 0..400_u32), 0..50),
        ) {
            let mut now = stock(counted, 0);
            for (reserve, quantity) in moves {
                let next =
                    if reserve { now.reserve(quantity).ok() } else { now.release(quantity).ok() };
                now = next.unwrap_or(now);
                prop_assert_eq!(now.available + now.reserved, counted);
            }
        }
    }
}
