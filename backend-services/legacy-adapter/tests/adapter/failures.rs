use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{Adapter, PATIENCE, answering, envelope, peer, response};

const FAULT: &str = "<s:Fault><faultcode>s:Server</faultcode>\
    <faultstring>ORA-00600 at 10.1.2.3</faultstring></s:Fault>";

/// The answer to one request before a peer that always answers these bytes.
async fn asked(bytes: Vec<u8>) -> (u16, String, serde_json::Value) {
    let adapter = Adapter::before_peer(answering(bytes).await).await;
    let reply = adapter.get("/customers/1").await;
    let code = reply.body["code"].as_str().unwrap_or_default().to_owned();
    assert!(!reply.body.to_string().contains("ORA-"), "{}", reply.body);
    (reply.status.as_u16(), code, adapter.failures().await)
}

#[tokio::test]
async fn answers_of_no_use_are_a_bad_gateway_and_counted_as_the_monoliths() {
    let laughs = format!(
        "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>{}",
        envelope("<x>&b;</x>")
    );
    let external = format!(
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>{}",
        envelope("<x>&e;</x>")
    );
    let deep = envelope(&("<a>".repeat(5000) + &"</a>".repeat(5000)));
    let truncated = envelope("<GetCustomerResponse/>");
    let utf16: Vec<u8> = envelope("<x/>")
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for bytes in [
        response("200 OK", "<html>It works!</html>"),
        response("200 OK", ""),
        response("200 OK", &truncated[..truncated.len() - 10]),
        response("200 OK", laughs),
        response("200 OK", external),
        response("200 OK", deep),
        response("200 OK", utf16),
        response("200 OK", vec![b' '; 2 * 1024 * 1024]),
        response("500 Internal Server Error", "<html>Oops</html>"),
        response("404 Not Found", envelope("<x/>")),
        response("302 Found", ""),
    ] {
        let (status, code, failures) = asked(bytes).await;
        assert_eq!((status, code.as_str()), (502, "legacy_bad_answer"));
        assert_eq!(failures["monolith"]["garbage"], 1, "{failures}");
    }
}

#[tokio::test]
async fn a_server_fault_is_a_bad_gateway_that_keeps_the_reason_to_itself() {
    let bytes = response("500 Internal Server Error", envelope(FAULT));
    let (status, code, failures) = asked(bytes).await;
    assert_eq!((status, code.as_str()), (502, "legacy_bad_answer"));
    assert_eq!(failures["monolith"]["server_faults"], 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_bad_gateway() {
    let whole = response("200 OK", envelope("<x/>"));
    let (status, code, failures) = asked(whole[..whole.len() - 5].to_vec()).await;
    assert_eq!((status, code.as_str()), (502, "legacy_bad_answer"));
    assert_eq!(failures["monolith"]["broken_off"], 1);
}

#[tokio::test]
async fn what_we_cannot_translate_is_counted_as_our_own_failure() {
    let strange = "<GetCustomerResponse xmlns='urn:shop-manager:2003'>\
        <Customer><CustNo>one</CustNo></Customer></GetCustomerResponse>";
    let (status, code, failures) = asked(response("200 OK", envelope(strange))).await;
    assert_eq!((status, code.as_str()), (502, "legacy_bad_answer"));
    assert_eq!(failures["adapter"]["untranslatable"], 1);
    assert_eq!(failures["monolith"]["garbage"], 0);
}

#[tokio::test]
async fn client_faults_tell_our_mistakes_from_our_clients() {
    let fault = |detail: &str| {
        let fault = format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>x</faultstring>{detail}</s:Fault>"
        );
        response("500 Internal Server Error", envelope(&fault))
    };
    let (status, code, failures) = asked(fault("")).await;
    assert_eq!((status, code.as_str()), (502, "legacy_misunderstood"));
    assert_eq!(failures["adapter"]["misunderstood"], 1);

    let frozen = "<detail><ShopFault xmlns='urn:shop-manager:2003'><Code>Frozen</Code>\
        </ShopFault></detail>";
    let (status, code, failures) = asked(fault(frozen)).await;
    assert_eq!((status, code.as_str()), (422, "legacy_refused"));
    assert_eq!(failures["refused"], 1);
}

#[tokio::test]
async fn a_hung_monolith_is_a_gateway_timeout_after_two_seconds() {
    let (adapter, monolith) = Adapter::with_monolith().await;
    let hang = json!({ "mode": "hang", "path_prefix": "/soap" });
    let switch = adapter.client.post(format!("{}/_fault", monolith.url()));
    switch.json(&hang).send().await.unwrap();
    let started = Instant::now();
    adapter
        .get("/customers/1")
        .await
        .assert_problem(504, "legacy_timeout");
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_secs(2) && waited < PATIENCE,
        "{waited:?}"
    );
    assert_eq!(adapter.failures().await["monolith"]["timeouts"], 1);

    let switch = adapter.client.post(format!("{}/_fault", monolith.url()));
    switch
        .json(&json!({ "mode": "none" }))
        .send()
        .await
        .unwrap();
    assert_eq!(adapter.get("/customers/1").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_trickles_is_no_answer_in_time() {
    let trickling = peer(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
        let mut sent = stream.write_all(head).await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sent = stream.write_all(b" ").await;
        }
    });
    let adapter = Adapter::before_peer(trickling.await).await;
    adapter
        .get("/customers/1")
        .await
        .assert_problem(504, "legacy_timeout");
}

#[tokio::test]
async fn a_hasty_client_gets_its_timeout_early_and_the_monolith_is_not_blamed() {
    let hung = peer(|stream| async move {
        tokio::time::sleep(PATIENCE).await;
        drop(stream);
    });
    let adapter = Adapter::before_peer(hung.await).await;
    for _ in 0..6 {
        let request = adapter.client.get(adapter.url("/customers/1"));
        let mut request = request.build().unwrap();
        let deadline = "200".parse().unwrap();
        request
            .headers_mut()
            .insert(chassis::DEADLINE_HEADER, deadline);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.execute(request).await.unwrap();
        assert_eq!(response.status(), 504);
    }
    let failures = adapter.failures().await;
    assert_eq!(failures["monolith"]["timeouts"], 0);
    assert_eq!(failures["out_of_time"], 6);
    assert_eq!(adapter.get("/stats").await.body["breaker"], "closed");
}

#[tokio::test]
async fn a_monolith_that_refuses_connections_is_left_alone_after_five_times() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let adapter = Adapter::before_peer(address).await;
    for _ in 0..5 {
        adapter
            .get("/customers/1")
            .await
            .assert_problem(502, "legacy_unreachable");
    }
    let spared = adapter.get("/customers/1").await;
    spared.assert_problem(503, "legacy_unavailable");
    assert!((1..=5).contains(&spared.retry_after.unwrap()));
    let stats = adapter.get("/stats").await.body;
    assert_eq!(stats["breaker"], "open");
    assert_eq!(stats["failures"]["calls"], 5);
    assert_eq!(stats["failures"]["monolith"]["unreachable"], 5);
    assert_eq!(stats["failures"]["not_asked"], 1);
    assert_eq!(adapter.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn when_the_monolith_is_back_one_call_finds_out() {
    let (adapter, monolith) = Adapter::with_monolith().await;
    let fault = async |mode: &str| {
        let switch = adapter.client.post(format!("{}/_fault", monolith.url()));
        let fault = json!({ "mode": mode, "path_prefix": "/soap" });
        switch.json(&fault).send().await.unwrap();
    };
    fault("error").await;
    for _ in 0..5 {
        adapter
            .get("/customers/1")
            .await
            .assert_problem(502, "legacy_bad_answer");
    }
    adapter
        .get("/customers/1")
        .await
        .assert_problem(503, "legacy_unavailable");
    fault("none").await;
    let give_up_at = Instant::now() + PATIENCE;
    while adapter.get("/customers/1").await.status != 200 {
        assert!(Instant::now() < give_up_at, "the breaker did not close");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(adapter.get("/stats").await.body["breaker"], "closed");
}

#[tokio::test]
async fn a_refusal_is_no_failure_of_the_monoliths() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    for _ in 0..8 {
        adapter
            .get("/customers/99")
            .await
            .assert_problem(404, "not_found");
    }
    assert_eq!(adapter.get("/stats").await.body["breaker"], "closed");
}
