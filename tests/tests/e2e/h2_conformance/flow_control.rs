//! RFC 9113, section 6.9: windows.

use std::time::Duration;

use tests::frames::{Frames, Outcome, frame, kind};
use tests::upstream::Rude;
use tests::{Gateway, PATIENCE, eventually};
use tokio::net::TcpStream;

use super::case::{
    FLOW_CONTROL_ERROR, FRAME_BYTES_MAX, FRAME_SIZE_ERROR, GET, HANG, HANG_POST, PROTOCOL_ERROR,
    case, data, headers, run, setting, start, window_update,
};

use crate::{GATEWAY, everything_to};

const INITIAL_WINDOW_SIZE: u16 = 4;

const WINDOW_MAX: u32 = (1 << 31) - 1;

#[tokio::test]
async fn windows_grow_by_something_and_not_beyond_the_most() {
    run(vec![
        case("6.9", "a connection's window by nothing")
            .send(window_update(0, 0))
            .ends(&[PROTOCOL_ERROR]),
        case("6.9", "a stream's window by nothing")
            .send(headers(1, &HANG_POST, false))
            .send(window_update(1, 0))
            .resets(1, &[PROTOCOL_ERROR]),
        case("6.9", "WINDOW_UPDATE of three octets")
            .send(frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1]))
            .ends(&[FRAME_SIZE_ERROR]),
        case("6.9.1", "a connection's window beyond the most")
            .send(window_update(0, WINDOW_MAX))
            .ends(&[FLOW_CONTROL_ERROR]),
        case("6.9.1", "a stream's window beyond the most")
            .send(headers(1, &HANG, true))
            .send(window_update(1, WINDOW_MAX))
            .resets(1, &[FLOW_CONTROL_ERROR]),
        case("6.9.2", "a stream's window beyond the most by SETTINGS")
            .send(headers(1, &HANG, true))
            .send(window_update(1, 100))
            .send(setting(INITIAL_WINDOW_SIZE, WINDOW_MAX))
            .ends(&[FLOW_CONTROL_ERROR]),
    ])
    .await;
}

/// Long enough for what must not come.
const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn an_answer_keeps_within_the_clients_window() {
    let (mut gateway, _upstream) = start().await;
    let mut frames = Frames::over(gateway.raw_tls(b"h2").await).await;
    frames.bytes(&setting(INITIAL_WINDOW_SIZE, 1)).await;
    frames.headers(1, &GET, true).await;
    assert_eq!(frames.next_data(1, PATIENCE).await, Some(1));
    frames.bytes(&window_update(1, 2)).await;
    assert_eq!(frames.next_data(1, PATIENCE).await, Some(2));

    // Five more make room for four: one is gone already, by the first window.
    frames.bytes(&setting(INITIAL_WINDOW_SIZE, 5)).await;
    assert_eq!(frames.next_data(1, PATIENCE).await, Some(4));

    // A window may become negative; three octets bring it back to nothing.
    frames.bytes(&setting(INITIAL_WINDOW_SIZE, 2)).await;
    frames.bytes(&window_update(1, 3)).await;
    assert_eq!(frames.next_data(1, A_MOMENT).await, None);
    frames.bytes(&window_update(1, 1)).await;
    assert_eq!(frames.next_data(1, PATIENCE).await, Some(1));
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn data_beyond_our_window_ends_its_stream_or_the_connection() {
    // It reads nothing, and what the system keeps for it has an end.
    let upstream = Rude::start(async |_stream: TcpStream| std::future::pending().await).await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut frames = Frames::over(gateway.raw().await).await;
    frames.headers(1, &HANG_POST, false).await;
    let piece = data(1, &[0; FRAME_BYTES_MAX], false);
    // Whoever does not wait for WINDOW_UPDATE is stopped long before all of it.
    for _ in 0..8_192 {
        frames.bytes(&piece).await;
    }
    let outcome = frames.outcome(1).await;
    let expected = [
        Outcome::Reset(FLOW_CONTROL_ERROR),
        Outcome::GoAway(FLOW_CONTROL_ERROR),
        // What was on its way to a closed socket takes the last words with it.
        Outcome::Closed,
    ];
    assert!(expected.contains(&outcome), "{outcome:?}");
    eventually("the request to be given up", PATIENCE, async || {
        let left = gateway.metric("gateway_requests_in_flight", &[]).await;
        (left == 0.0).then_some(())
    })
    .await;
    gateway.assert_sound();
}
