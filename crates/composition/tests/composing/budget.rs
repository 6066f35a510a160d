//! One deadline for all.

use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use chassis::{Client, Context};
use composition::{Budget, Part, Policy};
use serde_json::Value;
use tokio::time::Instant;

use super::service::{PATIENCE, serve, service};

/// A service that answers with the milliseconds it was given.
async fn mirror() -> String {
    let told = |headers: HeaderMap| async move {
        let values: Vec<_> = headers.get_all(chassis::DEADLINE_HEADER).iter().collect();
        assert_eq!(values.len(), 1, "one deadline, not two that disagree");
        values[0].to_str().unwrap().to_owned()
    };
    serve(Router::new().route("/", get(told))).await
}

async fn told_ms(budget: Duration, timeout: Duration) -> u64 {
    let part = Part::<Value>::new(
        "part",
        Policy::required().within(timeout),
        Budget::of_request(budget),
    );
    let fetched = part.fetch(Client::new().unwrap().get(mirror().await)).await;
    fetched.into_required().unwrap().as_u64().unwrap()
}

async fn with_deadline<T>(left: Duration, work: impl Future<Output = T>) -> T {
    let mut context = Context::current();
    context.deadline = Some(Instant::now() + left);
    context.scope(work).await
}

#[tokio::test]
async fn a_service_is_told_the_time_that_its_part_really_has() {
    let second = Duration::from_secs(1);
    let ms = told_ms(2 * second, second).await;
    assert!((1..=1000).contains(&ms), "the part's own timeout, not {ms}");
    let ms = told_ms(second, 5 * second).await;
    assert!((1..=900).contains(&ms), "the budget less a tenth, not {ms}");
}

#[tokio::test]
async fn a_callers_deadline_before_our_own_counts() {
    let told = told_ms(Duration::from_secs(2), Duration::from_secs(5));
    let ms = with_deadline(Duration::from_secs(1), told).await;
    assert!((1..=900).contains(&ms), "{ms}");
    let told = told_ms(Duration::from_secs(2), Duration::from_secs(5));
    let ms = with_deadline(Duration::from_secs(60), told).await;
    assert!(
        (1..=1800).contains(&ms),
        "a patient caller does not prolong it: {ms}"
    );
}

#[tokio::test]
async fn a_part_that_stalls_in_its_body_ends_with_the_budget_not_with_its_own_timeout() {
    let url = service().await;
    for path in ["hangs", "stalls"] {
        let begun = Instant::now();
        let policy = Policy::optional().within(PATIENCE);
        let part = Part::<Value>::new(
            "part",
            policy,
            Budget::of_request(Duration::from_millis(400)),
        );
        let fetched = part
            .fetch(Client::new().unwrap().get(format!("{url}/{path}")))
            .await;
        assert_eq!(
            fetched.state().map(|state| state.code),
            Some("timeout"),
            "{path}"
        );
        let took = begun.elapsed();
        assert!(
            (300..PATIENCE.as_millis() / 4).contains(&took.as_millis()),
            "{path}: {took:?}"
        );
    }
}

#[tokio::test]
async fn a_part_that_begins_after_the_deadline_asks_nobody_for_long() {
    let url = service().await;
    let fetching = async {
        let part = Part::<Value>::new("part", Policy::optional(), Budget::of_request(PATIENCE));
        part.fetch(Client::new().unwrap().get(format!("{url}/hangs")))
            .await
    };
    let begun = Instant::now();
    let fetched = with_deadline(Duration::ZERO, fetching).await;
    assert_eq!(fetched.state().map(|state| state.code), Some("timeout"));
    assert!(begun.elapsed() < PATIENCE / 4);
}
