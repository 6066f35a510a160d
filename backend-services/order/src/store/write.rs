//! Changing an order's state.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::Store;
use crate::domain::{Order, Priced, Status};
use crate::idempotency::{Answer, Claim};

/// An order that is not written down yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) customer_id: i64,
    /// In whole seconds.
    pub(crate) placed_at: Timestamp,
    pub(crate) reservation: Uuid,
    pub(crate) priced: Priced,
}

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recall {
    Answered(Answer),
    /// Its order is being placed right now.
    Running,
    /// It came with another request before.
    Reused,
}

/// What came of trying to write an order down.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is written, pending.
    Order(Order),
    /// The key was there before.
    Known(Recall),
}

#[derive(sqlx::FromRow)]
struct KeptRow {
    request_hash: Vec<u8>,
    status: Option<u16>,
    location: Option<String>,
    body: Option<String>,
}

impl Store {
    /// What is known of this key; `None` if it is new.
    pub(crate) async fn recall(&self, claim: &Claim) -> Result<Option<Recall>, sqlx::Error> {
        let mut connection = self.database.reads().acquire().await?;
        find_kept(&mut connection, claim).await
    }

    /// Writes the key and the pending order down, unless the key is there already.
    pub(crate) async fn begin(&self, claim: &Claim, draft: Draft) -> Result<Begun, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        if let Some(recall) = find_kept(&mut transaction, claim).await? {
            return Ok(Begun::Known(recall));
        }
        let order = insert_order(&mut transaction, draft).await?;
        sqlx::query(
            "INSERT INTO idempotency (caller, key, request_hash, order_id, created_at_s) \
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&claim.caller)
        .bind(&claim.key)
        .bind(claim.request_hash.as_slice())
        .bind(order.id)
        .bind(order.placed_at.as_second())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Begun::Order(order))
    }

    /// Writes that an order is approved, or rejected without holding stock, and what was answered.
    /// `false` if it was decided otherwise meanwhile.
    pub(crate) async fn decide(&self, after: &Order, answer: &Answer) -> Result<bool, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        if !write_state(&mut transaction, after, false).await? {
            return Ok(false);
        }
        sqlx::query("UPDATE idempotency SET status = ?, location = ?, body = ? WHERE order_id = ?")
            .bind(answer.status)
            .bind(&answer.location)
            .bind(&answer.body)
            .bind(after.id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes that an order is rejected because nobody knows whether its stock is reserved: the
    /// stock is to be given back, and the key is free for another try. `false` as in `decide`.
    pub(crate) async fn abandon(&self, rejected: &Order) -> Result<bool, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        if !write_state(&mut transaction, rejected, true).await? {
            return Ok(false);
        }
        sqlx::query("DELETE FROM idempotency WHERE order_id = ?")
            .bind(rejected.id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes that an order is cancelled and its stock is to be given back. `false` if it has
    /// changed meanwhile.
    pub(crate) async fn cancel(&self, cancelled: &Order) -> Result<bool, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        let written = write_state(&mut transaction, cancelled, true).await?;
        transaction.commit().await?;
        Ok(written)
    }

    /// Notes that inventory has confirmed the release.
    pub(crate) async fn released(&self, order_id: i64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE customer_order SET release_due = 0 WHERE id = ?")
            .bind(order_id)
            .execute(self.database.writes())
            .await
            .map(drop)
    }

    /// Forgets answers that were kept long enough; keys still running are not touched.
    pub(crate) async fn forget_answers_before(
        &self,
        deadline: Timestamp,
        limit: u32,
    ) -> Result<u64, sqlx::Error> {
        let forgotten = sqlx::query(
            "DELETE FROM idempotency WHERE (caller, key) IN (SELECT caller, key FROM idempotency \
             WHERE created_at_s < ? AND status IS NOT NULL LIMIT ?)",
        )
        .bind(deadline.as_second())
        .bind(limit)
        .execute(self.database.writes())
        .await?;
        Ok(forgotten.rows_affected())
    }
}

async fn find_kept(
    connection: &mut SqliteConnection,
    claim: &Claim,
) -> Result<Option<Recall>, sqlx::Error> {
    let row: Option<KeptRow> = sqlx::query_as(
        "SELECT request_hash, status, location, body FROM idempotency \
         WHERE caller = ? AND key = ?",
    )
    .bind(&claim.caller)
    .bind(&claim.key)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| match (row.status, row.body) {
        _ if row.request_hash != claim.request_hash => Recall::Reused,
        (Some(status), Some(body)) => Recall::Answered(Answer {
            status,
            location: row.location,
            body,
        }),
        _ => Recall::Running,
    }))
}

async fn insert_order(
    connection: &mut SqliteConnection,
    draft: Draft,
) -> Result<Order, sqlx::Error> {
    let Draft {
        customer_id,
        placed_at,
        reservation,
        priced,
    } = draft;
    let status = Status::Pending;
    let id = sqlx::query(
        "INSERT INTO customer_order \
         (reservation, customer_id, status, placed_at_s, currency, total_cents, version) \
         VALUES (?, ?, ?, ?, ?, ?, 0)",
    )
    .bind(reservation.to_string())
    .bind(customer_id)
    .bind(status)
    .bind(placed_at.as_second())
    .bind(priced.total.currency.as_str())
    .bind(priced.total.cents)
    .execute(&mut *connection)
    .await?
    .last_insert_rowid();
    let Priced { lines, total } = priced;
    let order = Order {
        id,
        customer_id,
        status,
        placed_at,
        lines,
        total,
        version: 0,
        reservation,
    };
    insert_lines(connection, &order).await?;
    Ok(order)
}

/// Writes an order's lines down, in their order.
pub(super) async fn insert_lines(
    connection: &mut SqliteConnection,
    order: &Order,
) -> Result<(), sqlx::Error> {
    for (position, line) in (1_i64..).zip(&order.lines) {
        sqlx::query("INSERT INTO order_line VALUES (?, ?, ?, ?, ?, ?)")
            .bind(order.id)
            .bind(position)
            .bind(&line.sku)
            .bind(&line.name)
            .bind(line.quantity)
            .bind(line.unit_price.cents)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Whether the order was still at the version before `after` and could be moved on.
async fn write_state(
    connection: &mut SqliteConnection,
    after: &Order,
    release_due: bool,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(
        "UPDATE customer_order SET status = ?, version = ?, release_due = ? \
         WHERE id = ? AND version = ?",
    )
    .bind(after.status)
    .bind(after.version)
    .bind(release_due)
    .bind(after.id)
    .bind(after.version - 1)
    .execute(connection)
    .await?;
    Ok(written.rows_affected() == 1)
}
