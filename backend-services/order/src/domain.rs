//! What an order is, which states it passes through, and what it costs. Pure.
//!
//! ```text
//!              stock reserved            cancelled by the customer
//!   pending ───────────────► approved ───────────────────────────► cancelled
//!      │ no stock, or nobody knows
//!      └───────────────────► rejected
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use money::{Currency, Money, MoneyError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most lines of an order.
const LINES_MAX: usize = 50;
/// The most of one product in an order.
const QUANTITY_MAX: u32 = 10_000;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Written down, but the stock is not reserved yet.
    Pending,
    Approved,
    /// Could not be fulfilled; holds no stock.
    Rejected,
    /// Given up after it was approved; holds no stock.
    Cancelled,
}

/// An order. Version 0 is the pending order nobody has been told of yet, 1 the approved one.
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
    /// The id of its reservation at inventory.
    #[serde(skip)]
    pub(crate) reservation: Uuid,
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

/// What the catalogue says of a product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price: Money,
}

/// An order's lines with names and prices, and their sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
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
    /// Only an approved order can be cancelled.
    NotApproved(Status),
}

impl Request {
    /// Checks all that can be checked without asking anybody.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        if self.customer_id < 1 {
            return Err(RequestError::Customer(self.customer_id));
        }
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            return Err(RequestError::Count(self.lines.len()));
        }
        let mut seen = std::collections::BTreeSet::new();
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

    /// Puts names and prices to the lines. Prices come from the catalogue alone.
    pub(crate) fn price(&self, products: Vec<Product>) -> Result<Priced, PricingError> {
        let mut products: BTreeMap<String, Product> = products
            .into_iter()
            .map(|product| (product.sku.clone(), product))
            .collect();
        let (mut lines, mut unknown) = (Vec::new(), Vec::new());
        for RequestLine { sku, quantity } in &self.lines {
            match products.remove(sku) {
                Some(Product { sku, name, price }) => {
                    lines.push(Line {
                        sku,
                        name,
                        quantity: *quantity,
                        unit_price: price,
                    });
                }
                None => unknown.push(sku.clone()),
            }
        }
        if !unknown.is_empty() {
            return Err(PricingError::UnknownSkus(unknown));
        }
        let total = total(&lines)?;
        Ok(Priced { lines, total })
    }
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
            Status::Approved => Ok(self.moved_to(Status::Cancelled)),
            status => Err(CancelError::NotApproved(status)),
        }
    }

    /// The order once its stock is reserved; `None` if it is no longer pending.
    pub(crate) fn approved(&self) -> Option<Self> {
        (self.status == Status::Pending).then(|| self.moved_to(Status::Approved))
    }

    /// The order once it is clear that it cannot be fulfilled; `None` if it is no longer pending.
    pub(crate) fn rejected(&self) -> Option<Self> {
        (self.status == Status::Pending).then(|| self.moved_to(Status::Rejected))
    }

    fn moved_to(&self, status: Status) -> Self {
        Self {
            status,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}

/// The sum of the lines; nothing at all is no euros.
pub(crate) fn total(lines: &[Line]) -> Result<Money, MoneyError> {
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

    fn request(lines: &[(&str, u32)]) -> Request {
        let line = |(sku, quantity): &(&str, u32)| RequestLine {
            sku: (*sku).to_owned(),
            quantity: *quantity,
        };
        Request {
            customer_id: 1,
            lines: lines.iter().map(line).collect(),
        }
    }

    fn product(sku: &str, cents: i64) -> Product {
        Product {
            sku: sku.into(),
            name: format!("Name of {sku}"),
            price: Money::euros(cents),
        }
    }

    fn order() -> Order {
        let priced = request(&[("TEA-001", 2)])
            .price(vec![product("TEA-001", 450)])
            .unwrap();
        Order {
            id: 7,
            customer_id: 1,
            status: Status::Pending,
            placed_at: "2026-01-15T09:30:00Z".parse().unwrap(),
            lines: priced.lines,
            total: priced.total,
            version: 0,
            reservation: Uuid::nil(),
        }
    }

    #[test]
    fn prices_and_names_come_from_the_catalogue() {
        let request = request(&[("TEA-001", 2), ("CUP-001", 4)]);
        let priced = request
            .price(vec![product("CUP-001", 1200), product("TEA-001", 450)])
            .unwrap();
        assert_eq!(priced.total, Money::euros(5700));
        assert_eq!(priced.lines[0].name, "Name of TEA-001");
    }

    #[test]
    fn every_unknown_product_is_named() {
        let priced = request(&[("A", 1), ("B", 1), ("C", 1)]).price(vec![product("B", 1)]);
        assert_eq!(
            priced,
            Err(PricingError::UnknownSkus(vec!["A".into(), "C".into()]))
        );
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let priced = request(&[("A", 10_000)]).price(vec![product("A", i64::MAX)]);
        assert_eq!(priced, Err(PricingError::Money(MoneyError::Overflow)));
    }

    #[test]
    fn odd_requests_are_refused() {
        assert_eq!(request(&[]).check(), Err(RequestError::Count(0)));
        assert_eq!(request(&[("", 1)]).check(), Err(RequestError::Sku(1)));
        assert_eq!(
            request(&[("A", 1), ("A,B", 1)]).check(),
            Err(RequestError::Sku(2))
        );
        assert_eq!(
            request(&[("A", 1), ("A", 2)]).check(),
            Err(RequestError::Repeated("A".into()))
        );
        for quantity in [0, 10_001] {
            let refused = RequestError::Quantity {
                sku: "A".into(),
                quantity,
            };
            assert_eq!(request(&[("A", quantity)]).check(), Err(refused));
        }
        let nobody = Request {
            customer_id: 0,
            ..request(&[("A", 1)])
        };
        assert_eq!(nobody.check(), Err(RequestError::Customer(0)));
    }

    #[test]
    fn a_pending_order_is_decided_once() {
        let approved = order().approved().unwrap();
        assert_eq!((approved.status, approved.version), (Status::Approved, 1));
        assert_eq!(approved.approved(), None);
        assert_eq!(approved.rejected(), None);
        assert_eq!(order().rejected().unwrap().approved(), None);
    }

    #[test]
    fn only_an_approved_order_of_the_version_seen_can_be_cancelled() {
        let approved = order().approved().unwrap();
        assert_eq!(
            approved.cancelled(0),
            Err(CancelError::Stale { current: 1 })
        );
        assert_eq!(
            order().cancelled(0),
            Err(CancelError::NotApproved(Status::Pending))
        );
        let cancelled = approved.cancelled(1).unwrap();
        assert_eq!(
            (cancelled.status, cancelled.version),
            (Status::Cancelled, 2)
        );
        assert_eq!(
            cancelled.cancelled(2),
            Err(CancelError::NotApproved(Status::Cancelled))
        );
    }

    #[test]
    fn an_order_is_written_in_the_agreed_shape() {
        let json = serde_json::to_value(order().approved().unwrap()).unwrap();
        let expected = serde_json::json!({
            "id": 7, "customer_id": 1, "status": "approved", "placed_at": "2026-01-15T09:30:00Z",
            "lines": [{
                "sku": "TEA-001", "name": "Name of TEA-001", "quantity": 2,
                "unit_price": {"cents": 450, "currency": "EUR"},
            }],
            "total": {"cents": 900, "currency": "EUR"}, "version": 1,
        });
        assert_eq!(json, expected);
    }
}
