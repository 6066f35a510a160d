//! The portal's menu, and the catalogue below it.

use std::time::{Duration, Instant};

use fake_shop::{Answer, Fake};

use crate::bff::Bff;

/// Asks until the page says what it should; the menu is asked for once a second.
async fn eventually(bff: &Bff, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let page = bff.text("/").await;
        if wanted(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_entry_follows_its_groups_stage() {
    let bff = Bff::start().await;
    let page = bff.text("/").await;
    assert!(page.contains("href=\"/old/customers\""), "{page}");
    assert!(page.contains("badge monolith"), "{page}");
    bff.shop.stage("service");
    let page = eventually(&bff, |page| page.contains("code>/customers<")).await;
    assert!(!page.contains("/old/customers") && !page.contains("badge monolith"));
    bff.shop.stage("monolith");
    eventually(&bff, |page| page.contains("href=\"/old/customers\"")).await;
}

#[tokio::test]
async fn the_gateway_is_asked_at_most_once_a_second() {
    let bff = Bff::start().await;
    let begun = Instant::now();
    for _ in 0..20 {
        bff.text("/").await;
    }
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(bff.shop.admin.seen().len() <= seconds + 1);
}

#[tokio::test]
async fn while_the_gateway_is_away_the_last_menu_stays_and_says_so() {
    let mut bff = Bff::start().await;
    assert!(!bff.text("/").await.contains("as it last was"));
    bff.shop.admin = Fake::start().await;
    let page = eventually(&bff, |page| page.contains("as it last was")).await;
    assert!(page.contains("/old/customers") && page.contains("Green tea"));
}

#[tokio::test]
async fn a_menu_that_was_never_known_is_not_an_empty_one() {
    let bff = Bff::start().await;
    bff.shop.admin.answers("/migrations", Answer::Hang);
    let page = bff.text("/").await;
    assert!(page.contains("Who serves what is not known"), "{page}");
    assert!(page.contains("Green tea"), "{page}");
}

#[tokio::test]
async fn without_the_catalogue_the_menu_is_still_there() {
    let bff = Bff::start().await;
    bff.shop.catalog.answers("/products", Answer::StallMidBody);
    let response = bff.answer("/").await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.text().await.unwrap();
    assert!(page.contains("/old/customers"), "{page}");
    assert!(page.contains("cannot be shown at the moment"), "{page}");
}
