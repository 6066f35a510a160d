//! What an order is and what it costs. An order is approved as it is placed: stock and order change
//! in one transaction, so that nothing is ever pending.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use money::{Currency, Money, MoneyError};
use serde::{Deserialize, Serialize};

/// The most lines of an order.
const LINES_MAX: usize = 50;
/// The most of one product in an order.
const QUANTITY_MAX: u32 = 10_000;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum Status {
    Approved,
    Cancelled,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) customer_id: i64,
    pub(crate) status: Status,
    /// In whole seconds.
    pub(crate) placed_at: Timestamp,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) version: i64,
}

/// One product of an order, with its name and price as they were when it was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
}

/// What a customer asks for: products and quantities, never prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) customer_id: i64,
    pub(crate) lines: Vec<RequestLine>,
}

/// One product asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestLine {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// Says what is wrong with a request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("`customer_id` must be positive, not {0}")]
    Customer(i64),
    #[error("`lines` must hold between 1 and {LINES_MAX} lines, not {0}")]
    Count(usize),
    #[error("line {0} has no `sku`, or one with a comma or a control character in it")]
    Sku(usize),
    #[error("the quantity of {sku} must be between 1 and {QUANTITY_MAX}, not {quantity}")]
    Quantity { sku: String, quantity: u32 },
    #[error("{0} is in two lines; make it one")]
    Repeated(String),
}

/// Says why a request has no price.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PricingError {
    #[error("no such products: {0:?}")]
    UnknownSkus(Vec<String>),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Says why an order was not cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CancelError {
    /// The caller has seen another version than the current one.
    Stale { current: i64 },
    /// It is cancelled already.
    Cancelled,
}

impl Request {
    /// Checks all that can be checked without the database.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        if self.customer_id < 1 {
            return Err(RequestError::Customer(self.customer_id));
        }
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            return Err(RequestError::Count(self.lines.len()));
        }
        let mut seen = BTreeSet::new();
        for (index, line) in self.lines.iter().enumerate() {
            if line.sku.is_empty() || line.sku.contains(|c: char| c == ',' || c.is_control()) {
                return Err(RequestError::Sku(index + 1));
            }
            if !(1..=QUANTITY_MAX).contains(&line.quantity) {
                let (sku, quantity) = (line.sku.clone(), line.quantity);
                return Err(RequestError::Quantity { sku, quantity });
            }
            if !seen.insert(&line.sku) {
                return Err(RequestError::Repeated(line.sku.clone()));
            }
        }
        Ok(())
    }
}

/// Puts names and prices to the lines of a request, and sums them up. `products` maps a SKU to both.
pub(crate) fn price(
    lines: &[RequestLine],
    products: &BTreeMap<String, (String, Money)>,
) -> Result<(Vec<Line>, Money), PricingError> {
    let (mut priced, mut unknown) = (Vec::new(), Vec::new());
    for RequestLine { sku, quantity } in lines {
        match products.get(sku) {
            Some((name, unit_price)) => priced.push(Line {
                sku: sku.clone(),
                name: name.clone(),
                quantity: *quantity,
                unit_price: *unit_price,
            }),
            None => unknown.push(sku.clone()),
        }
    }
    if !unknown.is_empty() {
        return Err(PricingError::UnknownSkus(unknown));
    }
    let total = total(&priced)?;
    Ok((priced, total))
}

impl Order {
    /// The order once the customer has given it up.
    pub(crate) fn cancelled(&self, seen_version: i64) -> Result<Self, CancelError> {
        if seen_version != self.version {
            return Err(CancelError::Stale {
                current: self.version,
            });
        }
        match self.status {
            Status::Approved => Ok(Self {
                status: Status::Cancelled,
                version: self.version.saturating_add(1),
                ..self.clone()
            }),
            Status::Cancelled => Err(CancelError::Cancelled),
        }
    }

    /// The order as it was when it was placed: what a repeated request is answered with.
    pub(crate) fn when_placed(self) -> Self {
        Self {
            status: Status::Approved,
            version: 1,
            ..self
        }
    }
}

/// The sum of the lines; nothing at all is no euros.
fn total(lines: &[Line]) -> Result<Money, MoneyError> {
    let currency = lines
        .first()
        .map_or(Currency::EUR, |line| line.unit_price.currency);
    lines.iter().try_fold(Money::new(0, currency), |sum, line| {
        sum.checked_add(line.unit_price.checked_mul(line.quantity)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32) -> RequestLine {
        RequestLine {
            sku: sku.into(),
            quantity,
        }
    }

    fn request(lines: Vec<RequestLine>) -> Request {
        Request {
            customer_id: 1,
            lines,
        }
    }

    fn products() -> BTreeMap<String, (String, Money)> {
        BTreeMap::from([
            ("TEA-001".into(), ("Tea".into(), Money::euros(450))),
            ("CUP-001".into(), ("Cup".into(), Money::euros(1200))),
        ])
    }

    #[test]
    fn lines_get_names_and_prices_and_are_summed_up() {
        let (lines, total) = price(&[line("TEA-001", 2), line("CUP-001", 4)], &products()).unwrap();
        assert_eq!(total, Money::euros(5700));
        assert_eq!(lines[1].name, "Cup");
    }

    #[test]
    fn all_unknown_products_are_named_at_once() {
        let priced = price(
            &[line("X", 1), line("TEA-001", 1), line("Y", 1)],
            &products(),
        );
        assert_eq!(
            priced,
            Err(PricingError::UnknownSkus(vec!["X".into(), "Y".into()]))
        );
    }

    #[test]
    fn a_request_that_cannot_be_an_order_is_refused() {
        assert_eq!(request(vec![]).check(), Err(RequestError::Count(0)));
        assert_eq!(
            request(vec![line("A", 1); 51]).check(),
            Err(RequestError::Count(51))
        );
        assert_eq!(
            request(vec![line("A", 1), line("", 1)]).check(),
            Err(RequestError::Sku(2))
        );
        assert_eq!(
            request(vec![line("A", 1), line("A", 1)]).check(),
            Err(RequestError::Repeated("A".into()))
        );
        let none = request(vec![line("A", 0)]).check();
        assert_eq!(
            none.unwrap_err().to_string(),
            "the quantity of A must be between 1 and 10000, not 0"
        );
    }

    #[test]
    fn an_order_is_cancelled_once_and_only_as_it_was_seen() {
        let order = Order {
            id: 1,
            customer_id: 1,
            status: Status::Approved,
            placed_at: Timestamp::UNIX_EPOCH,
            lines: Vec::new(),
            total: Money::euros(0),
            version: 1,
        };
        assert_eq!(order.cancelled(2), Err(CancelError::Stale { current: 1 }));
        let cancelled = order.cancelled(1).unwrap();
        assert_eq!(
            (cancelled.status, cancelled.version),
            (Status::Cancelled, 2)
        );
        assert_eq!(cancelled.cancelled(2), Err(CancelError::Cancelled));
        assert_eq!(cancelled.when_placed(), order);
    }
}
