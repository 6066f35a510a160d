//! What a phone shows of the shop's records: these members are read, and no others are sent on.

use money::Money;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Customer {
    id: u64,
    name: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OrderLine {
    sku: String,
    name: String,
    quantity: u64,
    unit_price: Money,
}

/// An order in a list.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OrderSummary {
    id: u64,
    status: String,
    placed_at: String,
    total: Money,
}

/// An order on its own screen.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    #[serde(flatten)]
    summary: OrderSummary,
    /// Whose it is; the app knows that.
    #[serde(skip_serializing)]
    customer_id: u64,
    lines: Vec<OrderLine>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Product {
    sku: String,
    name: String,
    price: Money,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Stock {
    sku: String,
    available: u64,
}

impl Order {
    /// Whether `user`, a token's subject, has placed it.
    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.customer_id.to_string() == user
    }

    pub(crate) fn skus(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.sku.as_str())
    }
}
