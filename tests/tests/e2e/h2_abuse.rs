//! HTTP/2 clients that ask for work with frames that no flow control holds back.

use tests::frames::{Field, Frames, Outcome, block, flag, kind};
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, eventually};

use crate::{GATEWAY, everything_to};

/// A whole request.
pub(crate) const GET: [Field<'_>; 4] = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b":path", b"/"),
];

const POST: [Field<'_>; 4] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b":path", b"/"),
];

const ENHANCE_YOUR_CALM: u32 = 11;

/// A stream that is never opened: waiting for it is waiting for the connection's end.
const NONE: u32 = 99_999;

async fn count(gateway: &Gateway, kind: &str) -> f64 {
    let label = format!("kind=\"{kind}\"");
    gateway
        .metric("gateway_connection_errors_total", &[&label])
        .await
}

/// Floods the gateway and expects it to ask for calm, to count `kind`, and to serve others.
async fn expect_calm<F>(gateway: &mut Gateway, kind: &str, flood: F)
where
    F: AsyncFnOnce(&mut Frames),
{
    let before = count(gateway, kind).await;
    let mut frames = Frames::over(gateway.raw().await).await;
    flood(&mut frames).await;
    let outcome = frames.outcome(NONE).await;
    assert_eq!(outcome, Outcome::GoAway(ENHANCE_YOUR_CALM), "{kind}");
    eventually(kind, PATIENCE, async || {
        (count(gateway, kind).await > before).then_some(())
    })
    .await;
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn floods_of_frames_that_want_an_answer_or_nothing_are_cut_off() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for (frame, payload, count, label) in [
        (kind::PING, &[7; 8][..], 300, "h2_ping_flood"),
        (kind::SETTINGS, &[], 51, "h2_settings_flood"),
        (kind::PRIORITY, &[0, 0, 0, 0, 1], 1001, "h2_frame_flood"),
        (
            kind::WINDOW_UPDATE,
            &[0, 0, 0, 1],
            1100,
            "h2_window_update_flood",
        ),
    ] {
        expect_calm(&mut gateway, label, async |frames| {
            let stream = if frame == kind::PRIORITY { 1 } else { 0 };
            for _ in 0..count {
                frames.frame(frame, 0, stream, payload).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn rapid_resets_are_cut_off_and_the_upstream_sees_few_of_them() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    expect_calm(&mut gateway, "h2_reset_flood", async |frames| {
        for turn in 0..1000 {
            frames.headers(turn * 2 + 1, &GET, true).await;
            frames
                .frame(kind::RST_STREAM, 0, turn * 2 + 1, &8_u32.to_be_bytes())
                .await;
        }
    })
    .await;
    assert!(upstream.requests() <= 102, "{}", upstream.requests());
    eventually("nothing to be left in flight", PATIENCE, async || {
        let left = gateway.metric("gateway_requests_in_flight", &[]).await;
        (left.abs() < 0.1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn our_own_services_may_reset_streams() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut frames = Frames::over(gateway.raw_to("internal").await).await;
    let mut stream = 1;
    for _ in 0..3 {
        for _ in 0..60 {
            frames.headers(stream, &POST, false).await;
            frames
                .frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
                .await;
            stream += 2;
        }
        // Now it has seen them.
        frames.headers(stream, &GET, true).await;
        assert_eq!(frames.outcome(stream).await, Outcome::Answer(200));
        stream += 2;
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn header_blocks_in_endless_pieces_are_cut_off() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    // In one block, by the library.
    expect_calm(&mut gateway, "h2_flood", async |frames| {
        frames.frame(kind::HEADERS, 0, 1, &block(&GET)).await;
        for _ in 0..20 {
            frames.frame(kind::CONTINUATION, 0, 1, &[]).await;
        }
    })
    .await;
    // One a request.
    expect_calm(&mut gateway, "h2_continuation_flood", async |frames| {
        for turn in 0..21 {
            let stream = turn * 2 + 1;
            frames
                .frame(kind::HEADERS, flag::END_STREAM, stream, &block(&GET))
                .await;
            frames
                .frame(kind::CONTINUATION, flag::END_HEADERS, stream, &[])
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn empty_data_and_refused_streams_are_bounded_by_the_library() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    expect_calm(&mut gateway, "h2_flood", async |frames| {
        frames.headers(1, &POST, false).await;
        for _ in 0..200 {
            frames.data(1, b"", false).await;
        }
    })
    .await;
    // Requests without a method, each answered with a reset.
    expect_calm(&mut gateway, "h2_flood", async |frames| {
        for turn in 0..1100 {
            frames
                .headers(turn * 2 + 1, &[(b":path", b"/")], true)
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_flood_over_tls_is_cut_off_too() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut frames = Frames::over(gateway.raw_tls(b"h2").await).await;
    for _ in 0..300 {
        frames.frame(kind::PING, 0, 0, &[7; 8]).await;
    }
    let outcome = frames.outcome(NONE).await;
    assert_eq!(outcome, Outcome::GoAway(ENHANCE_YOUR_CALM));
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn what_ordinary_clients_send_is_no_flood() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut frames = Frames::over(gateway.raw().await).await;
    for turn in 0..40 {
        let stream = turn * 2 + 1;
        frames.frame(kind::PING, 0, 0, &[7; 8]).await;
        frames
            .frame(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 1])
            .await;
        frames.headers(stream, &GET, true).await;
        assert_eq!(frames.outcome(stream).await, Outcome::Answer(200));
    }
    gateway.assert_sound();
}
