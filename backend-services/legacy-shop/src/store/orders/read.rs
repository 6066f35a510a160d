//! Reading orders.

use std::collections::BTreeMap;

use jiff::Timestamp;
use money::Money;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use crate::domain::{Line, Order};
use crate::store::Store;
use crate::store::database::currency;

/// An order without its lines.
struct Head(Order);

#[derive(sqlx::FromRow)]
struct LineRow {
    order_id: i64,
    sku: String,
    name: String,
    quantity: u32,
    unit_cents: i64,
}

impl Store {
    /// At most `rows` orders with numbers below `before`, the newest first, of one customer or of all.
    pub(crate) async fn orders(
        &self,
        customer_id: Option<i64>,
        before: Option<i64>,
        rows: u32,
    ) -> Result<Vec<Order>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM orders WHERE id < ");
        query.push_bind(before.unwrap_or(i64::MAX));
        if let Some(customer_id) = customer_id {
            query.push(" AND customer_id = ").push_bind(customer_id);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(rows);
        let mut connection = self.database.reads().acquire().await?;
        let heads = query.build_query_as().fetch_all(&mut *connection).await?;
        with_lines(&mut connection, heads).await
    }

    /// The order with this number.
    pub(crate) async fn order(&self, id: i64) -> Result<Option<Order>, sqlx::Error> {
        let mut connection = self.database.reads().acquire().await?;
        order(&mut connection, id).await
    }
}

/// The order with this number.
pub(super) async fn order(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<Option<Order>, sqlx::Error> {
    let head: Option<Head> = sqlx::query_as("SELECT * FROM orders WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let orders = with_lines(connection, head.into_iter().collect()).await?;
    Ok(orders.into_iter().next())
}

/// Lines are written with their order and never change, so that reading them apart is safe.
async fn with_lines(
    connection: &mut SqliteConnection,
    heads: Vec<Head>,
) -> Result<Vec<Order>, sqlx::Error> {
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM order_lines WHERE order_id IN (");
    let mut ids = query.separated(", ");
    for Head(order) in &heads {
        ids.push_bind(order.id);
    }
    query.push(") ORDER BY order_id, position");
    let rows: Vec<LineRow> = query.build_query_as().fetch_all(connection).await?;

    let mut lines_of: BTreeMap<i64, Vec<LineRow>> = BTreeMap::new();
    for row in rows {
        lines_of.entry(row.order_id).or_default().push(row);
    }
    let orders = heads.into_iter().map(|Head(mut order)| {
        let currency = order.total.currency;
        let rows = lines_of.remove(&order.id).unwrap_or_default();
        let lines = rows.into_iter().map(|row| Line {
            sku: row.sku,
            name: row.name,
            quantity: row.quantity,
            unit_price: Money::new(row.unit_cents, currency),
        });
        order.lines = lines.collect();
        order
    });
    Ok(orders.collect())
}

impl FromRow<'_, SqliteRow> for Head {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let placed_at = Timestamp::from_second(row.try_get("placed_at_s")?)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self(Order {
            id: row.try_get("id")?,
            customer_id: row.try_get("customer_id")?,
            status: row.try_get("status")?,
            placed_at,
            lines: Vec::new(),
            total: Money::new(row.try_get("total_cents")?, currency(row)?),
            version: row.try_get("version")?,
        }))
    }
}
