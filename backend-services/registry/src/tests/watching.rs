//! Long polls and event streams.

use super::*;

#[tokio::test]
async fn a_long_poll_wakes_at_once_on_a_change() {
    let fixture = Fixture::start().await;
    // Nobody has ever heard of this service.
    let before = fixture
        .client
        .instances("order", 0, Duration::ZERO)
        .await
        .unwrap();
    let started = Instant::now();
    let poll = fixture
        .client
        .instances("order", before.index, Duration::from_secs(30));
    let registration = on_port(1);
    let (polled, registered) = tokio::join!(
        poll,
        fixture.client.register("order", "order-1", &registration)
    );
    registered.unwrap();
    assert_eq!(
        statuses(&polled.unwrap().instances),
        [("order-1", Status::Up)]
    );
    assert!(started.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn a_long_poll_without_a_change_ends_after_its_wait() {
    let fixture = Fixture::start().await;
    let url = format!("{}/v1/services/order", fixture.url);
    let (_, before) = answer(fixture.http.get(&url)).await;
    let started = Instant::now();
    let poll = fixture
        .http
        .get(format!("{url}?index={}&wait=200ms", before["index"]));
    let (status, after) = answer(poll).await;
    assert_eq!((status, &after), (200, &before));
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn an_index_from_another_history_is_answered_at_once() {
    let fixture = Fixture::start().await;
    let started = Instant::now();
    fixture
        .client
        .instances("order", 1 << 60, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(started.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn an_event_stream_tells_every_change() {
    let fixture = Fixture::start().await;
    fixture
        .client
        .register("order", "order-1", &on_port(1))
        .await
        .unwrap();
    let request = fixture
        .http
        .get(format!("{}/v1/services/order", fixture.url));
    let mut events = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    let mut heard_of = async |text: &str| {
        tokio::time::timeout(DEADLINE, async {
            while !seen.contains(text) {
                let chunk = events.chunk().await.unwrap().expect("the stream goes on");
                seen.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
        .unwrap();
    };
    heard_of("\"order-1\"").await;
    fixture
        .client
        .register("order", "order-2", &on_port(2))
        .await
        .unwrap();
    heard_of("\"order-2\"").await;
    assert!(
        seen.contains("event: instances") && seen.contains("\nid: "),
        "{seen}"
    );
}

#[tokio::test]
async fn a_stopping_registry_does_not_wait_for_those_who_wait() {
    let mut fixture = Fixture::start().await;
    let before = fixture
        .client
        .instances("order", 0, Duration::ZERO)
        .await
        .unwrap();
    let client = fixture.client.clone();
    let poll = tokio::spawn(async move {
        client
            .instances("order", before.index, Duration::from_secs(30))
            .await
    });
    let request = fixture
        .http
        .get(format!("{}/v1/services/order", fixture.url));
    let events = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let started = Instant::now();
    fixture.running.take().unwrap().shutdown().await;
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    drop(events);
    // Either it was answered, or it had not been accepted yet.
    if let Ok(view) = poll.await.unwrap() {
        assert_eq!(view.index, before.index);
    }
}
