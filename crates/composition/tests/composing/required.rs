//! Answers that can't do without a part, and callers that may not have one.

use composition::{Composition, NoAnswer, Policy};
use serde_json::{Value, json};

use super::service::{Answer, SHORT, answer, fetched, nobody, service};

async fn composed(policy: Policy<Value>, url: &str) -> Answer {
    answer(Composition::new().with(fetched(policy.within(SHORT), url).await)).await
}

#[tokio::test]
async fn a_required_part_that_is_missing_is_a_problem_of_the_whole_answer() {
    let url = service().await;
    let problems = [
        (format!("{url}/hangs"), 504, "gateway_timeout"),
        (format!("{url}/stalls"), 504, "gateway_timeout"),
        (nobody().await, 503, "unavailable"),
        (format!("{url}/503"), 503, "unavailable"),
        (format!("{url}/garbage"), 502, "part_failed"),
        (format!("{url}/larger"), 502, "part_failed"),
        (format!("{url}/400"), 502, "part_failed"),
        (format!("{url}/404"), 502, "part_failed"),
    ];
    for (failing, status, code) in problems {
        let answer = composed(Policy::required(), &failing).await;
        answer.assert_problem(status, code);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(
            detail.contains("`part`") && !detail.contains("127.0.0.1"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn what_was_asked_for_and_is_not_there_is_not_there() {
    let url = service().await;
    let policy = Policy::required_subject;
    composed(policy(), &format!("{url}/404"))
        .await
        .assert_problem(404, "not_found");
    composed(policy(), &format!("{url}/409"))
        .await
        .assert_problem(409, "conflict");
    composed(policy(), &format!("{url}/hangs"))
        .await
        .assert_problem(504, "gateway_timeout");
}

#[tokio::test]
async fn the_subjects_service_says_in_its_own_words_why_not() {
    let url = service().await;
    for (path, words) in [
        ("own-404", "order 7 does not exist"),
        ("own-409", "order 7 is shipped"),
    ] {
        let answer = composed(Policy::required_subject(), &format!("{url}/{path}")).await;
        assert_eq!(answer.body["detail"], words);
    }
}

#[tokio::test]
async fn who_is_refused_never_gets_a_partial_answer() {
    let url = service().await;
    for (status, code) in [(401, "unauthorized"), (403, "forbidden")] {
        for policy in [
            Policy::optional(),
            Policy::fallback(json!([])),
            Policy::required(),
            Policy::required_subject(),
        ] {
            let there = fetched(Policy::required(), &format!("{url}/ok")).await;
            let refused = fetched(policy, &format!("{url}/{status}")).await;
            let answer = answer(Composition::new().with(there).with(refused)).await;
            answer.assert_problem(status, code);
            assert_eq!(
                answer.challenge.is_some(),
                status == 401,
                "RFC 9110, section 11.6.1"
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_outweighs_whatever_else_went_wrong() {
    let url = service().await;
    let missing = fetched(Policy::required_subject(), &format!("{url}/404")).await;
    let refused = fetched(Policy::optional(), &format!("{url}/403")).await;
    for (first, second) in [(missing.clone(), refused.clone()), (refused, missing)] {
        let answer = answer(Composition::new().with(first).with(second)).await;
        answer.assert_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn what_the_caller_may_not_see_is_answered_as_if_it_did_not_exist() {
    let url = service().await;
    let order = fetched(Policy::required_subject(), &format!("{url}/ok")).await;
    let seen = order.clone().only_if(|order| order["id"] == 1);
    assert!(seen.value().is_some());
    let hidden: NoAnswer = order
        .only_if(|order| order["id"] == 2)
        .into_required()
        .unwrap_err();
    assert_eq!(hidden.problem().status(), 404);
}
