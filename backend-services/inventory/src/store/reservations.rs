//! Reservations: several products, all or nothing, in one write transaction.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::Store;
use super::stock::{find_stock, write_locked};
use crate::domain::{Imbalance, Line, Lines, Reservation, ReservationStatus};

/// How long a tombstone is kept: far longer than a reserve can be on its way.
const TOMBSTONE_RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Old tombstones removed with each release, so that clearing up never takes long.
const TOMBSTONES_PER_SWEEP: u32 = 100;

/// A reservation, and whether this call made it.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) reservation: Reservation,
    pub(crate) new: bool,
}

/// Says why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReserveError {
    #[error("not enough of {0:?}")]
    Insufficient(Vec<String>),
    #[error("no such products: {0:?}")]
    UnknownSkus(Vec<String>),
    #[error("the reservation was released before")]
    Released,
    #[error("the reservation exists with other lines")]
    Differs,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Says why a reservation was not released.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error(transparent)]
    Imbalance(#[from] Imbalance),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// The reservation with this id, tombstones too.
    pub(crate) async fn reservation(&self, id: Uuid) -> Result<Option<Reservation>, sqlx::Error> {
        let mut connection = self.database.reads().acquire().await?;
        find_reservation(&mut connection, id).await
    }

    /// Sets all `lines` aside, or none of them. Asking again for the same changes nothing.
    pub(crate) async fn reserve(&self, id: Uuid, lines: &Lines) -> Result<Reserved, ReserveError> {
        let mut transaction = self.database.begin().await?;
        if let Some(reservation) = find_reservation(&mut transaction, id).await? {
            return match reservation.status {
                ReservationStatus::Released => Err(ReserveError::Released),
                ReservationStatus::Reserved if reservation.lines != lines.as_slice() => {
                    Err(ReserveError::Differs)
                }
                ReservationStatus::Reserved => Ok(Reserved {
                    reservation,
                    new: false,
                }),
            };
        }
        take_stock(&mut transaction, lines.as_slice()).await?;
        sqlx::query("INSERT INTO reservation (id, status) VALUES (?, 'reserved')")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        for line in lines.as_slice() {
            sqlx::query("INSERT INTO reservation_line VALUES (?, ?, ?)")
                .bind(id.to_string())
                .bind(&line.sku)
                .bind(line.quantity)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        let status = ReservationStatus::Reserved;
        let reservation = Reservation {
            id,
            status,
            lines: lines.as_slice().to_vec(),
        };
        Ok(Reserved {
            reservation,
            new: true,
        })
    }

    /// Makes what the reservation holds available again and leaves a tombstone, whether or not the
    /// reservation was ever made. Releasing again changes nothing.
    pub(crate) async fn release(&self, id: Uuid, now: Timestamp) -> Result<(), ReleaseError> {
        let mut transaction = self.database.begin().await?;
        let found = find_reservation(&mut transaction, id).await?;
        if let Some(reservation) = found {
            if reservation.status == ReservationStatus::Released {
                return Ok(());
            }
            return_stock(&mut transaction, &reservation.lines).await?;
        }
        sqlx::query(
            "INSERT INTO reservation (id, status, released_at_s) VALUES (?1, 'released', ?2) \
             ON CONFLICT (id) DO UPDATE SET status = 'released', released_at_s = ?2",
        )
        .bind(id.to_string())
        .bind(now.as_second())
        .execute(&mut *transaction)
        .await?;
        sweep_tombstones(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn find_reservation(
    connection: &mut SqliteConnection,
    id: Uuid,
) -> Result<Option<Reservation>, sqlx::Error> {
    let status = sqlx::query_scalar("SELECT status FROM reservation WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(status) = status else {
        return Ok(None);
    };
    let lines = sqlx::query_as(
        "SELECT sku, quantity FROM reservation_line WHERE reservation = ? ORDER BY sku",
    )
    .bind(id.to_string())
    .fetch_all(&mut *connection)
    .await?;
    Ok(Some(Reservation { id, status, lines }))
}

/// Reads all lines before it judges, so that the answer names every product that is missing.
async fn take_stock(connection: &mut SqliteConnection, lines: &[Line]) -> Result<(), ReserveError> {
    let (mut taken, mut unknown, mut short) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        match find_stock(connection, &line.sku).await? {
            None => unknown.push(line.sku.clone()),
            Some(stock) => match stock.reserve(line.quantity) {
                Ok(after) => taken.push((after, stock.version)),
                Err(_) => short.push(line.sku.clone()),
            },
        }
    }
    if !unknown.is_empty() {
        return Err(ReserveError::UnknownSkus(unknown));
    }
    if !short.is_empty() {
        return Err(ReserveError::Insufficient(short));
    }
    for (stock, version) in taken {
        write_locked(connection, &stock, version).await?;
    }
    Ok(())
}

async fn return_stock(
    connection: &mut SqliteConnection,
    lines: &[Line],
) -> Result<(), ReleaseError> {
    for line in lines {
        let stock = find_stock(connection, &line.sku)
            .await?
            .ok_or(sqlx::Error::RowNotFound)?;
        write_locked(connection, &stock.release(line.quantity)?, stock.version).await?;
    }
    Ok(())
}

async fn sweep_tombstones(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM reservation WHERE id IN \
         (SELECT id FROM reservation WHERE released_at_s < ? LIMIT ?)",
    )
    .bind(
        now.as_second()
            .saturating_sub(TOMBSTONE_RETENTION.as_secs()),
    )
    .bind(TOMBSTONES_PER_SWEEP)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tombstone_outlives_every_late_reserve_and_is_then_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (early, late) = (Uuid::new_v4(), Uuid::new_v4());
        let monday: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();

        store.release(early, monday).await.unwrap();
        store
            .release(late, monday + SignedDuration::from_hours(6 * 24))
            .await
            .unwrap();
        let refused = store.reserve(early, &two_pots()).await.unwrap_err();
        assert!(matches!(refused, ReserveError::Released));

        let later = monday + SignedDuration::from_hours(8 * 24);
        store.release(Uuid::new_v4(), later).await.unwrap();
        assert_eq!(store.reservation(early).await.unwrap(), None);
        assert!(store.reservation(late).await.unwrap().is_some());
    }

    async fn open(folder: &std::path::Path) -> Store {
        let url = format!(
            "sqlite://{}?mode=rwc",
            folder.join("inventory.db").display()
        );
        Store::open(&url).await.unwrap()
    }

    fn two_pots() -> Lines {
        Lines::parse(vec![Line {
            sku: "POT-001".into(),
            quantity: 2,
        }])
        .unwrap()
    }
}
