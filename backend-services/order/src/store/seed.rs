//! The orders the shop starts with. They were fulfilled long ago and hold no stock.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use money::Money;
use serde::Deserialize;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::write::insert_lines;
use crate::domain::{Line, Order, RequestLine, Status, total};

const ORDERS: &str = include_str!("../../../shop/seed/orders.json");
const PRODUCTS: &str = include_str!("../../../shop/seed/products.json");

#[derive(Debug, Deserialize)]
struct SeedOrder {
    id: i64,
    customer_id: i64,
    status: SeedStatus,
    placed_at: Timestamp,
    lines: Vec<RequestLine>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SeedStatus {
    Approved,
    Cancelled,
}

#[derive(Debug, Deserialize)]
struct SeedProduct {
    sku: String,
    name: String,
    price_cents: i64,
}

/// Fills an empty database.
pub(super) async fn fill(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM customer_order)")
        .fetch_one(&mut *connection)
        .await?;
    if filled {
        return Ok(());
    }
    for order in orders()? {
        sqlx::query(
            "INSERT INTO customer_order \
             (id, reservation, customer_id, status, placed_at_s, currency, total_cents, version) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(order.id)
        .bind(order.reservation.to_string())
        .bind(order.customer_id)
        .bind(order.status)
        .bind(order.placed_at.as_second())
        .bind(order.total.currency.as_str())
        .bind(order.total.cents)
        .bind(order.version)
        .execute(&mut *connection)
        .await?;
        insert_lines(connection, &order).await?;
    }
    Ok(())
}

fn orders() -> anyhow::Result<Vec<Order>> {
    let products: BTreeMap<String, SeedProduct> = serde_json::from_str::<Vec<_>>(PRODUCTS)?
        .into_iter()
        .map(|product: SeedProduct| (product.sku.clone(), product))
        .collect();
    let orders: Vec<SeedOrder> = serde_json::from_str(ORDERS)?;
    orders
        .into_iter()
        .map(|order| order.priced(&products))
        .collect()
}

impl SeedOrder {
    fn priced(self, products: &BTreeMap<String, SeedProduct>) -> anyhow::Result<Order> {
        let lines = self.lines.into_iter().map(|RequestLine { sku, quantity }| {
            let product = products
                .get(&sku)
                .with_context(|| format!("no product {sku}"))?;
            let unit_price = Money::euros(product.price_cents);
            Ok(Line {
                sku,
                name: product.name.clone(),
                quantity,
                unit_price,
            })
        });
        let lines: Vec<Line> = lines.collect::<anyhow::Result<_>>()?;
        let total = total(&lines)?;
        let status = match self.status {
            SeedStatus::Approved => Status::Approved,
            SeedStatus::Cancelled => Status::Cancelled,
        };
        Ok(Order {
            id: self.id,
            customer_id: self.customer_id,
            status,
            placed_at: self.placed_at,
            lines,
            total,
            version: 1,
            reservation: Uuid::new_v4(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_orders_have_the_prices_of_their_products() {
        let orders = orders().unwrap();
        assert_eq!(orders.len(), 6);
        assert_eq!(orders[0].total, Money::euros(5700));
        assert_eq!(orders[2].status, Status::Cancelled);
    }
}
