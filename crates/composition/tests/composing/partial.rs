//! Answers that can do without a part.

use composition::{Composition, Policy};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::service::{PATIENCE, SHORT, answer, breaking, fetched, nobody, part, serve, service};

#[tokio::test]
async fn an_answer_with_all_its_parts_explains_none() {
    let url = service().await;
    let there = fetched(Policy::optional(), &format!("{url}/ok")).await;
    let answer = answer(Composition::new().with(there)).await;
    assert_eq!(
        (answer.status, answer.caching.as_str()),
        (200, "private, no-cache")
    );
    assert_eq!(
        answer.body,
        json!({ "data": { "part": { "id": 1 } }, "parts": {} })
    );
}

#[tokio::test]
async fn a_null_that_means_none_is_not_explained() {
    let url = service().await;
    let none = fetched(Policy::optional(), &format!("{url}/null")).await;
    let answer = answer(Composition::new().with(none)).await;
    assert_eq!(
        answer.body,
        json!({ "data": { "part": null }, "parts": {} })
    );
    assert_eq!(answer.caching, "private, no-cache");
}

#[tokio::test]
async fn a_part_that_fails_is_null_and_explained_and_the_others_come() {
    let url = service().await;
    let refused = nobody().await;
    let failures = [
        (format!("{url}/hangs"), "timeout", "timeout", true),
        (format!("{url}/stalls"), "timeout", "timeout", true),
        (format!("{url}/504"), "timeout", "timeout", true),
        (refused, "error", "unreachable", true),
        (format!("{url}/503"), "error", "unavailable", true),
        (format!("{url}/429"), "error", "unavailable", true),
        (breaking().await, "error", "broken_answer", true),
        (format!("{url}/garbage"), "error", "broken_answer", true),
        (format!("{url}/larger"), "error", "too_large", false),
        (format!("{url}/endless"), "error", "too_large", false),
        (format!("{url}/400"), "error", "refused", false),
        (format!("{url}/redirects"), "error", "refused", false),
        (format!("{url}/404"), "error", "not_found", false),
        (format!("{url}/409"), "error", "conflict", false),
    ];
    for (failing, state, code, retryable) in failures {
        let there = fetched(Policy::required(), &format!("{url}/ok"))
            .await
            .map(|ok| ok["id"].clone());
        let failed = fetched(Policy::optional().within(SHORT), &failing).await;
        assert_eq!(failed.value(), None, "{failing}");
        let name = part("other", Policy::required()).ready(there.value().cloned().unwrap());
        let answer = answer(Composition::new().with(name).with(failed)).await;
        assert_eq!(
            (answer.status, answer.caching.as_str()),
            (200, "no-store"),
            "{failing}"
        );
        let explained = json!({ "state": state, "code": code, "retryable": retryable });
        assert_eq!(
            answer.body,
            json!({ "data": { "other": 1, "part": null }, "parts": { "part": explained } }),
            "{failing}"
        );
    }
}

#[tokio::test]
async fn a_server_error_is_worth_another_try() {
    let url = service().await;
    for status in [500, 502] {
        let failed = fetched(Policy::optional(), &format!("{url}/{status}")).await;
        let answer = answer(Composition::new().with(failed)).await;
        let state = &answer.body["parts"]["part"];
        assert_eq!(
            (&state["state"], &state["retryable"]),
            (&json!("error"), &json!(true)),
            "{state}"
        );
    }
}

#[tokio::test]
async fn a_part_may_have_a_mebibyte_and_no_byte_more() {
    let url = service().await;
    let largest = fetched(Policy::optional(), &format!("{url}/largest")).await;
    assert_eq!(
        largest.value().and_then(Value::as_str).map(str::len),
        Some(1024 * 1024 - 2)
    );
    let larger = fetched(Policy::optional(), &format!("{url}/larger")).await;
    assert_eq!(larger.state().map(|state| state.code), Some("too_large"));
}

#[tokio::test]
async fn a_substitute_stands_in_for_a_part_that_fails_and_is_marked() {
    let url = service().await;
    for failing in ["hangs", "503", "404", "garbage"] {
        let policy = Policy::fallback(json!([])).within(SHORT);
        let failed = fetched(policy, &format!("{url}/{failing}")).await;
        let answer = answer(Composition::new().with(failed)).await;
        assert_eq!((answer.status, answer.caching.as_str()), (200, "no-store"));
        assert_eq!(answer.body["data"]["part"], json!([]), "{failing}");
        assert_eq!(
            answer.body["parts"]["part"]["state"], "fallback",
            "{failing}"
        );
    }
    let there = fetched(Policy::fallback(json!([])), &format!("{url}/ok")).await;
    assert_eq!(
        (there.value(), there.state()),
        (Some(&json!({ "id": 1 })), None)
    );
}

#[tokio::test]
async fn a_part_that_depends_on_a_missing_one_is_skipped() {
    let skipped = part("stock", Policy::optional()).skipped();
    let answer = answer(Composition::new().with(skipped)).await;
    let explained = json!({ "state": "skipped", "code": "skipped", "retryable": true });
    assert_eq!(
        answer.body,
        json!({ "data": { "stock": null }, "parts": { "stock": explained } })
    );
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_in_the_answer() {
    let asked = part("orders", Policy::optional()).ready(json!([]));
    let not_asked: Option<composition::Fetched<Value>> = None;
    let composition = Composition::new()
        .with_asked(Some(asked))
        .with_asked(not_asked);
    let answer = answer(composition).await;
    assert_eq!(
        answer.body,
        json!({ "data": { "orders": [] }, "parts": {} })
    );
}

#[tokio::test]
async fn parts_are_fetched_side_by_side() {
    // Each answers only once the other has been asked.
    let both = std::sync::Arc::new(Barrier::new(2));
    let meet = move || async move { both.wait().await.is_leader().to_string() };
    let url = serve(axum::Router::new().route("/", axum::routing::get(meet))).await;
    let fetching = async {
        tokio::join!(
            fetched(Policy::optional(), &url),
            fetched(Policy::optional(), &url)
        )
    };
    let (one, other) = tokio::time::timeout(PATIENCE, fetching).await.unwrap();
    assert!(
        one.value().is_some() && other.value().is_some(),
        "{one:?} {other:?}"
    );
}
