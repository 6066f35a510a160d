//! Peers found through the registry.

use std::path::Path;

use chassis::{Client, Settings};

use crate::shop::Shop;

fn registered(folder: &Path, registry: &str) -> Settings {
    let mut settings = Settings::for_tests(folder);
    settings.registry = Some(registry.to_owned());
    settings
}

#[tokio::test]
async fn peers_are_found_through_the_registry_and_lost_when_they_leave() {
    let folder = tempfile::tempdir().unwrap();
    let service = Settings::for_tests(folder.path());
    let registry = registry::start(registry::Options { service })
        .await
        .unwrap();
    let settings = registered(folder.path(), &registry.url());
    // Order comes first: it must not matter.
    let order = order::start(order::Options {
        service: settings.clone(),
        inventory_url: None,
        catalog_url: None,
        sweep_every_ms: 50,
        pending_timeout_s: 60,
    });
    let order = order.await.unwrap();
    let catalog = catalog::start(catalog::Options {
        service: settings.clone(),
    })
    .await
    .unwrap();
    let inventory = inventory::start(inventory::Options {
        service: settings.clone(),
    })
    .await
    .unwrap();
    let client = Client::new().unwrap();
    let mut shop = Shop {
        client,
        order,
        inventory,
        catalog,
        folder,
    };

    shop.eventually_placed("key-1", &[("POT-001", 2)]).await;
    assert_eq!(shop.stock("POT-001").await, (10, 2));

    // Inventory moves to another port; order follows, with nothing to configure.
    let moved = inventory::start(inventory::Options { service: settings })
        .await
        .unwrap();
    std::mem::replace(&mut shop.inventory, moved)
        .shutdown()
        .await;
    shop.eventually_placed("key-2", &[("POT-001", 1)]).await;
    shop.eventually_stock("POT-001", (9, 3)).await;
}
