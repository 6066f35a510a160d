//! What the shop starts with. The orders were fulfilled long ago and hold no stock.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use money::{Currency, Money};
use serde::Deserialize;
use sqlx::SqliteConnection;

use super::orders::{insert_order, insert_stock};
use crate::domain::{Order, RequestLine, Status, price, search_text};

const CUSTOMERS: &str = include_str!("../../../shop/seed/customers.json");
const PRODUCTS: &str = include_str!("../../../shop/seed/products.json");
const ORDERS: &str = include_str!("../../../shop/seed/orders.json");

#[derive(Debug, Deserialize)]
struct SeedCustomer {
    id: i64,
    name: String,
    email: String,
    city: String,
    credit_limit_cents: i64,
}

#[derive(Debug, Deserialize)]
struct SeedProduct {
    sku: String,
    name: String,
    description: String,
    category: String,
    price_cents: i64,
    stock: i64,
}

#[derive(Debug, Deserialize)]
struct SeedOrder {
    id: i64,
    customer_id: i64,
    status: Status,
    placed_at: Timestamp,
    lines: Vec<RequestLine>,
}

/// Fills an empty database.
pub(super) async fn fill(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM customers)")
        .fetch_one(&mut *connection)
        .await?;
    if filled {
        return Ok(());
    }
    for customer in serde_json::from_str::<Vec<SeedCustomer>>(CUSTOMERS)? {
        insert_customer(connection, customer).await?;
    }
    let products: Vec<SeedProduct> = serde_json::from_str(PRODUCTS)?;
    for product in &products {
        insert_product(connection, product).await?;
    }
    let prices = products
        .into_iter()
        .map(|product| {
            let price = Money::euros(product.price_cents);
            (product.sku, (product.name, price))
        })
        .collect();
    for order in serde_json::from_str::<Vec<SeedOrder>>(ORDERS)? {
        let order = order.priced(&prices)?;
        insert_order(connection, &order, Some(order.id), false).await?;
    }
    Ok(())
}

impl SeedOrder {
    fn priced(self, products: &BTreeMap<String, (String, Money)>) -> anyhow::Result<Order> {
        let (lines, total) = price(&self.lines, products)
            .with_context(|| format!("order {} has no price", self.id))?;
        Ok(Order {
            id: self.id,
            customer_id: self.customer_id,
            status: self.status,
            placed_at: self.placed_at,
            lines,
            total,
            version: 1,
        })
    }
}

async fn insert_customer(
    connection: &mut SqliteConnection,
    customer: SeedCustomer,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO customers (id, name, email, city, currency, credit_limit_cents) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(customer.id)
    .bind(customer.name)
    .bind(customer.email)
    .bind(customer.city)
    .bind(Currency::EUR.as_str())
    .bind(customer.credit_limit_cents)
    .execute(connection)
    .await
    .map(drop)
}

async fn insert_product(
    connection: &mut SqliteConnection,
    product: &SeedProduct,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO products \
         (sku, name, description, category, currency, price_cents, search_text) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&product.sku)
    .bind(&product.name)
    .bind(&product.description)
    .bind(&product.category)
    .bind(Currency::EUR.as_str())
    .bind(product.price_cents)
    .bind(search_text(
        &product.sku,
        &product.name,
        &product.description,
    ))
    .execute(&mut *connection)
    .await?;
    insert_stock(connection, &product.sku, product.stock).await
}
