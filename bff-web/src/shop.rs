//! What the screens and pages read of the shop's records.

use money::Money;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Customer {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) credit_limit: Money,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer_id: u64,
    pub(crate) status: String,
    /// RFC 3339.
    pub(crate) placed_at: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: u64,
    pub(crate) unit_price: Money,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stock {
    pub(crate) available: u64,
}

impl Order {
    /// Whether `user`, a token's subject, has placed it.
    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.customer_id.to_string() == user
    }

    /// The day on which it was placed.
    pub(crate) fn day(&self) -> &str {
        self.placed_at
            .split_once('T')
            .map_or(&self.placed_at, |(day, _)| day)
    }
}
