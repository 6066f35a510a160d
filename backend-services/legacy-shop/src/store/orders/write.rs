//! Placing and cancelling orders.

use std::collections::BTreeMap;

use jiff::Timestamp;
use money::{Currency, Money, MoneyError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::read;
use crate::domain::{
    CancelError, ClientKey, Line, Order, PricingError, Request, RequestLine, Status, price,
};
use crate::store::Store;

/// Says why no order was placed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("there is no customer {0}")]
    UnknownCustomer(i64),
    #[error(transparent)]
    Pricing(#[from] PricingError),
    #[error("not enough of {0:?}")]
    InsufficientStock(Vec<String>),
    #[error("the client's key came with another order before")]
    KeyReused,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Says why an order was not cancelled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelFailure {
    #[error("no such order")]
    NotFound,
    #[error("refused: {0:?}")]
    Refused(CancelError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Prices a checked request, takes the stock and writes the order: all of it or nothing. A key
    /// that has led to an order before gives that order.
    pub(crate) async fn place_order(
        &self,
        key: Option<&ClientKey>,
        request: &Request,
        now: Timestamp,
    ) -> Result<Order, PlaceError> {
        let mut transaction = self.database.begin().await?;
        if let Some(key) = key
            && let Some(order) = order_of_key(&mut transaction, key, now).await?
        {
            return Ok(order);
        }
        check_customer(&mut transaction, request.customer_id).await?;
        let products = prices(&mut transaction, &request.lines).await?;
        let (lines, total) = price(&request.lines, &products)?;
        take_stock(&mut transaction, &lines).await?;
        let mut order = Order {
            id: 0,
            customer_id: request.customer_id,
            status: Status::Approved,
            // Whole seconds: that is what is stored, and what is answered must not differ.
            placed_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            lines,
            total,
            version: 1,
        };
        order.id = insert_order(&mut transaction, &order, None, true).await?;
        if let Some(key) = key {
            insert_key(&mut transaction, key, order.id, now).await?;
        }
        transaction.commit().await?;
        Ok(order)
    }

    /// Cancels an order and puts its stock back.
    pub(crate) async fn cancel_order(
        &self,
        id: i64,
        seen_version: i64,
    ) -> Result<Order, CancelFailure> {
        let mut transaction = self.database.begin().await?;
        let order = read::order(&mut transaction, id)
            .await?
            .ok_or(CancelFailure::NotFound)?;
        let cancelled = order
            .cancelled(seen_version)
            .map_err(CancelFailure::Refused)?;
        // Before the order lets go of it.
        sqlx::query(
            "UPDATE stock SET available = available + line.quantity \
             FROM order_lines AS line JOIN orders ON orders.id = line.order_id \
             WHERE line.sku = stock.sku AND orders.id = ? AND orders.holds_stock = 1",
        )
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE orders SET status = ?, version = ?, holds_stock = 0 WHERE id = ?")
            .bind(cancelled.status)
            .bind(cancelled.version)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(cancelled)
    }
}

async fn order_of_key(
    connection: &mut SqliteConnection,
    key: &ClientKey,
    now: Timestamp,
) -> Result<Option<Order>, PlaceError> {
    let oldest = now.as_second() - ClientKey::RETENTION.as_secs();
    sqlx::query("DELETE FROM client_keys WHERE created_at_s < ?")
        .bind(oldest)
        .execute(&mut *connection)
        .await?;
    let row: Option<(String, i64)> =
        sqlx::query_as("SELECT request, order_id FROM client_keys WHERE caller = ? AND key = ?")
            .bind(&key.caller)
            .bind(&key.key)
            .fetch_optional(&mut *connection)
            .await?;
    match row {
        None => Ok(None),
        Some((request, _)) if request != key.request => Err(PlaceError::KeyReused),
        Some((_, id)) => Ok(read::order(connection, id).await?.map(Order::when_placed)),
    }
}

async fn check_customer(connection: &mut SqliteConnection, id: i64) -> Result<(), PlaceError> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM customers WHERE id = ?)")
        .bind(id)
        .fetch_one(connection)
        .await?;
    if exists {
        Ok(())
    } else {
        Err(PlaceError::UnknownCustomer(id))
    }
}

/// Names and prices of the products asked for, as far as they are there.
async fn prices(
    connection: &mut SqliteConnection,
    lines: &[RequestLine],
) -> Result<BTreeMap<String, (String, Money)>, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT sku, name, currency, price_cents FROM products WHERE sku IN (",
    );
    let mut skus = query.separated(", ");
    for line in lines {
        skus.push_bind(&line.sku);
    }
    query.push(")");
    let rows: Vec<(String, String, String, i64)> =
        query.build_query_as().fetch_all(connection).await?;
    rows.into_iter()
        .map(|(sku, name, currency, cents)| {
            let currency: Currency = currency
                .parse()
                .map_err(|error: MoneyError| sqlx::Error::Decode(error.into()))?;
            Ok((sku, (name, Money::new(cents, currency))))
        })
        .collect()
}

/// Takes the stock of all lines, or names all products there are too few of.
async fn take_stock(connection: &mut SqliteConnection, lines: &[Line]) -> Result<(), PlaceError> {
    let mut short = Vec::new();
    for line in lines {
        let taken = sqlx::query(
            "UPDATE stock SET available = available - ? WHERE sku = ? AND available >= ?",
        )
        .bind(line.quantity)
        .bind(&line.sku)
        .bind(line.quantity)
        .execute(&mut *connection)
        .await?;
        if taken.rows_affected() == 0 {
            short.push(line.sku.clone());
        }
    }
    if short.is_empty() {
        Ok(())
    } else {
        Err(PlaceError::InsufficientStock(short))
    }
}

async fn insert_key(
    connection: &mut SqliteConnection,
    key: &ClientKey,
    order_id: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO client_keys (caller, key, request, order_id, created_at_s) \
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&key.caller)
    .bind(&key.key)
    .bind(&key.request)
    .bind(order_id)
    .bind(now.as_second())
    .execute(connection)
    .await
    .map(drop)
}

/// Writes an order with its lines and returns its number: `id`, or else the next.
pub(in crate::store) async fn insert_order(
    connection: &mut SqliteConnection,
    order: &Order,
    id: Option<i64>,
    holds_stock: bool,
) -> Result<i64, sqlx::Error> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO orders \
         (id, customer_id, status, placed_at_s, currency, total_cents, version, holds_stock) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(id)
    .bind(order.customer_id)
    .bind(order.status)
    .bind(order.placed_at.as_second())
    .bind(order.total.currency.as_str())
    .bind(order.total.cents)
    .bind(order.version)
    .bind(holds_stock)
    .fetch_one(&mut *connection)
    .await?;
    for (position, line) in (1_i64..).zip(&order.lines) {
        sqlx::query(
            "INSERT INTO order_lines (order_id, position, sku, name, quantity, unit_cents) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(position)
        .bind(&line.sku)
        .bind(&line.name)
        .bind(line.quantity)
        .bind(line.unit_price.cents)
        .execute(&mut *connection)
        .await?;
    }
    Ok(id)
}

/// Writes how much there is of a product.
pub(in crate::store) async fn insert_stock(
    connection: &mut SqliteConnection,
    sku: &str,
    available: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO stock (sku, available) VALUES (?, ?)")
        .bind(sku)
        .bind(available)
        .execute(connection)
        .await
        .map(drop)
}
