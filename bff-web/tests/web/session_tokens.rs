//! A session's tokens: replaced once for all who wait, and what happens when they can't be.

use std::time::{Duration, Instant};

use crate::bad_provider::sign_in_with;
use crate::bff::{Bff, ORIGIN};
use crate::browser::Browser;
use crate::provider::{Provider, claims};

async fn signed_in(bff: &Bff, provider: &Provider) -> Browser {
    let mut browser = Browser::default();
    let response = sign_in_with(bff, provider, &mut browser, claims).await;
    assert_eq!(response.status(), 303);
    browser
}

async fn status(bff: &Bff, browser: &Browser, path: &str) -> u16 {
    let response = browser.clone().get(bff, &format!("{ORIGIN}{path}")).await;
    response.status().as_u16()
}

#[tokio::test]
async fn a_session_ends_with_its_token_when_there_is_no_way_to_another() {
    let provider = Provider::start().await;
    provider.give(1, None);
    let bff = Bff::with_provider(&provider.url).await;
    let browser = signed_in(&bff, &provider).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while status(&bff, &browser, "/web/user").await != 401 {
        assert!(
            Instant::now() < deadline,
            "the token has ended, the session has not"
        );
    }
}

#[tokio::test]
async fn a_token_past_its_end_is_replaced_once_for_all_who_wait() {
    let provider = Provider::start().await;
    // Past its end from the beginning.
    provider.give(0, Some("refresh-1"));
    let bff = Bff::with_provider(&provider.url).await;
    let browser = signed_in(&bff, &provider).await;
    provider.give(300, Some("refresh-2"));
    let visit = async || status(&bff, &browser, "/web/home").await;
    let visits = tokio::join!(visit(), visit(), visit(), visit(), visit(), visit());
    assert_eq!(visits, (200, 200, 200, 200, 200, 200));
    let asked = provider.asked();
    assert_eq!(asked.len(), 2, "a code, and one refresh: {asked:?}");
    assert_eq!(asked[1]["refresh_token"], "refresh-1");
    for request in bff.shop.gateway.seen_at("/api/customers/1") {
        assert_eq!(request.headers["authorization"], "Bearer access-2");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_ends_no_session() {
    let provider = Provider::start().await;
    provider.give(0, Some("refresh-1"));
    let bff = Bff::with_provider(&provider.url).await;
    let browser = signed_in(&bff, &provider).await;
    provider.fail(503);
    assert_eq!(
        status(&bff, &browser, "/web/home").await,
        401,
        "no token to be had now"
    );
    provider.work_again();
    provider.give(300, None);
    assert_eq!(
        status(&bff, &browser, "/web/home").await,
        200,
        "the session is still there"
    );
}
