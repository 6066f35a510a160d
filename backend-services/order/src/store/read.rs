//! Opening the database, and reading orders.

use std::collections::BTreeMap;

use jiff::Timestamp;
use money::{Currency, Money, MoneyError};
use pagination::{Page, PageRequest};
use sqlite::Database;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite};
use uuid::Uuid;

use super::{Store, seed};
use crate::domain::{Line, Order};

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
    /// Opens the database, migrates it, and fills it if it is empty.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let database = Database::open(url).await?;
        // One transaction for both, so that two instances that start together on one file do it once.
        let mut transaction = database.begin().await?;
        sqlite::migrate(&sqlx::migrate!("./migrations"), &mut transaction).await?;
        seed::fill(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self { database })
    }

    /// Asks the database for an answer, whatever it is.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }

    /// The order with this id.
    pub(crate) async fn get(&self, id: i64) -> Result<Option<Order>, sqlx::Error> {
        let head = sqlx::query_as("SELECT * FROM customer_order WHERE id = ?")
            .bind(id)
            .fetch_optional(self.database.reads())
            .await?;
        Ok(self.with_lines(head.into_iter().collect()).await?.pop())
    }

    /// A page of orders, the newest first, of one customer or of all.
    pub(crate) async fn list(
        &self,
        customer_id: Option<i64>,
        request: &PageRequest<i64>,
    ) -> Result<Page<Order>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM customer_order WHERE id < ");
        query.push_bind(request.after().copied().unwrap_or(i64::MAX));
        if let Some(customer_id) = customer_id {
            query.push(" AND customer_id = ").push_bind(customer_id);
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(request.limit()) + 1);
        let heads = query
            .build_query_as()
            .fetch_all(self.database.reads())
            .await?;
        let page = Page::cut(heads, request, |head: &Head| head.0.id);
        let items = self.with_lines(page.items).await?;
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    /// Orders that are still pending although they were placed before `deadline`.
    pub(crate) async fn pending_since_before(
        &self,
        deadline: Timestamp,
        limit: u32,
    ) -> Result<Vec<Order>, sqlx::Error> {
        let heads = sqlx::query_as(
            "SELECT * FROM customer_order WHERE status = 'pending' AND placed_at_s < ? \
             ORDER BY placed_at_s LIMIT ?",
        )
        .bind(deadline.as_second())
        .bind(limit)
        .fetch_all(self.database.reads())
        .await?;
        self.with_lines(heads).await
    }

    /// Order and reservation ids of which the stock is still to be given back.
    pub(crate) async fn releases_due(&self, limit: u32) -> Result<Vec<(i64, Uuid)>, sqlx::Error> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, reservation FROM customer_order WHERE release_due = 1 ORDER BY id LIMIT ?",
        )
        .bind(limit)
        .fetch_all(self.database.reads())
        .await?;
        rows.into_iter()
            .map(|(id, reservation)| Ok((id, parse_uuid(&reservation)?)))
            .collect()
    }

    /// Lines are written with their order and never change, so that reading them apart is safe.
    async fn with_lines(&self, heads: Vec<Head>) -> Result<Vec<Order>, sqlx::Error> {
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM order_line WHERE order_id IN (");
        let mut ids = query.separated(", ");
        for Head(order) in &heads {
            ids.push_bind(order.id);
        }
        query.push(") ORDER BY order_id, position");
        let rows: Vec<LineRow> = query
            .build_query_as()
            .fetch_all(self.database.reads())
            .await?;

        let mut lines_of: BTreeMap<i64, Vec<LineRow>> = BTreeMap::new();
        for row in rows {
            lines_of.entry(row.order_id).or_default().push(row);
        }
        let orders = heads.into_iter().map(|Head(mut order)| {
            let rows = lines_of.remove(&order.id).unwrap_or_default();
            let currency = order.total.currency;
            order.lines = rows
                .into_iter()
                .map(|row| row.into_line(currency))
                .collect();
            order
        });
        Ok(orders.collect())
    }
}

impl LineRow {
    fn into_line(self, currency: Currency) -> Line {
        let unit_price = Money::new(self.unit_cents, currency);
        Line {
            sku: self.sku,
            name: self.name,
            quantity: self.quantity,
            unit_price,
        }
    }
}

impl FromRow<'_, SqliteRow> for Head {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let currency: Currency = row
            .try_get::<String, _>("currency")?
            .parse()
            .map_err(|error: MoneyError| sqlx::Error::Decode(error.into()))?;
        let placed_at = Timestamp::from_second(row.try_get("placed_at_s")?)
            .map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self(Order {
            id: row.try_get("id")?,
            customer_id: row.try_get("customer_id")?,
            status: row.try_get("status")?,
            placed_at,
            lines: Vec::new(),
            total: Money::new(row.try_get("total_cents")?, currency),
            version: row.try_get("version")?,
            reservation: parse_uuid(row.try_get("reservation")?)?,
        }))
    }
}

fn parse_uuid(text: &str) -> Result<Uuid, sqlx::Error> {
    text.parse()
        .map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))
}
