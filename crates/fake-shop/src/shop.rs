//! All that a BFF calls, well at first.

use serde_json::{Value, json};

use crate::server::{Answer, Fake};

/// The services, each on a port of its own.
#[derive(Debug)]
pub struct Shop {
    /// The gateway's internal listener.
    pub gateway: Fake,
    /// The gateway's admin listener.
    pub admin: Fake,
    /// An instance of the catalogue.
    pub catalog: Fake,
    pub registry: Fake,
}

impl Shop {
    /// Starts everything, with customer 1 and one of each thing.
    pub async fn start() -> Self {
        let shop = Self {
            gateway: Fake::start().await,
            admin: Fake::start().await,
            catalog: Fake::start().await,
            registry: Fake::start().await,
        };
        let gateway = |path, value| shop.gateway.answers(path, Answer::Json(value));
        gateway("/api/customers/1", customer());
        gateway(
            "/api/orders",
            json!({ "items": [order(1)], "next_cursor": null }),
        );
        gateway("/api/orders/1", order(1));
        gateway("/api/orders/2", order(2));
        gateway("/api/stock/TEA-001", stock());
        gateway(
            "/api/stock",
            json!({ "items": [stock()], "next_cursor": null }),
        );
        let catalog = |path, value| shop.catalog.answers(path, Answer::Json(value));
        catalog(
            "/products",
            json!({ "items": [product()], "next_cursor": null }),
        );
        catalog("/products/TEA-001", product());
        shop.stage("monolith");
        shop.instances(&[&shop.catalog]);
        shop
    }

    /// Moves the menu's one group.
    pub fn stage(&self, stage: &str) {
        let portal =
            json!({ "title": "Customers", "monolith": "/old/customers", "service": "/customers" });
        let group = json!({
            "group": "customers", "stage": stage, "from": "legacy-adapter", "to": "customer",
            "portal": portal,
        });
        let answer = Answer::Json(json!({ "items": [group] }));
        self.admin.answers("/migrations", answer);
    }

    /// What the registry says of the catalogue.
    pub fn instances(&self, instances: &[&Fake]) {
        let instances: Vec<Value> = instances
            .iter()
            .map(|fake| {
                json!({
                    "id": fake.addr.to_string(), "service": "catalog", "addr": "127.0.0.1",
                    "port": fake.addr.port(), "scheme": "http", "weight": 1, "status": "up",
                    "source": "self",
                })
            })
            .collect();
        let view = json!({ "index": instances.len() + 1, "instances": instances });
        self.registry
            .answers("/v1/services/catalog", Answer::Json(view));
    }
}

/// Customer 1.
#[must_use]
pub fn customer() -> Value {
    json!({
        "id": 1, "name": "Harbour Books", "email": "orders@harbour-books.example", "city": "Bergen",
        "credit_limit": { "cents": 50000, "currency": "EUR" }, "version": 1,
    })
}

/// Order `customer_id` of that customer.
#[must_use]
pub fn order(customer_id: u64) -> Value {
    json!({
        "id": customer_id, "customer_id": customer_id, "status": "approved",
        "placed_at": "2026-01-15T09:30:00Z",
        "lines": [{
            "sku": "TEA-001", "name": "Green tea, 100 g", "quantity": 2,
            "unit_price": { "cents": 450, "currency": "EUR" },
        }],
        "total": { "cents": 900, "currency": "EUR" }, "version": 1,
    })
}

/// A product, with markup in its description.
#[must_use]
pub fn product() -> Value {
    json!({
        "sku": "TEA-001", "name": "Green tea, 100 g", "description": "Loose leaf, <b>steamed</b>.",
        "category": "tea", "price": { "cents": 450, "currency": "EUR" }, "version": 1,
    })
}

/// How much of that product is there.
#[must_use]
pub fn stock() -> Value {
    json!({ "sku": "TEA-001", "available": 120, "reserved": 0, "version": 1 })
}
