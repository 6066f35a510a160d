//! The stock the shop starts with.

use serde::Deserialize;
use sqlx::SqliteConnection;

const SEED: &str = include_str!("../../../shop/seed/products.json");

#[derive(Debug, Deserialize)]
struct SeedProduct {
    sku: String,
    stock: u32,
}

/// Fills an empty database.
pub(super) async fn fill(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM stock)")
        .fetch_one(&mut *connection)
        .await?;
    if filled {
        return Ok(());
    }
    for product in serde_json::from_str::<Vec<SeedProduct>>(SEED)? {
        sqlx::query("INSERT INTO stock (sku, available) VALUES (?, ?)")
            .bind(product.sku)
            .bind(product.stock)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::Store;

    #[tokio::test]
    async fn seeding_happens_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite://{}?mode=rwc",
            folder.path().join("inventory.db").display()
        );
        let first = Store::open(&url).await.unwrap();
        first.recount("POT-001", 3, 1).await.unwrap();
        let again = Store::open(&url).await.unwrap();
        assert_eq!(again.get("POT-001").await.unwrap().unwrap().available, 3);
    }
}
