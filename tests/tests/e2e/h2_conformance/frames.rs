//! RFC 9113, section 6, frame by frame, but for WINDOW_UPDATE.

use tests::frames::{Frames, Outcome, block, flag, frame, kind};

use super::case::{
    CANCEL, FRAME_SIZE_ERROR, GET, HANG_POST, POST, PROTOCOL_ERROR, STREAM_CLOSED, case, data,
    headers, priority, reset, run, setting, start,
};

const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

#[tokio::test]
async fn data_and_headers_belong_to_a_stream_and_padding_fits_in() {
    let padded = |length: u8| [&[length][..], &block(&GET), &[0; 4]].concat();
    let dependent = |on: u32| [&on.to_be_bytes()[..], &[15], &block(&GET)].concat();
    run(vec![
        case("6.1", "DATA on stream 0")
            .send(data(0, b"x", true))
            .ends(&[PROTOCOL_ERROR]),
        case("6.1", "DATA on a stream that the client has ended")
            .send(headers(1, &HANG_POST, true))
            .send(data(1, b"x", true))
            .resets(1, &[STREAM_CLOSED]),
        case("6.1", "padding longer than DATA")
            .send(headers(1, &POST, false))
            .send(frame(kind::DATA, flag::PADDED, 1, b"\x06xxxxx"))
            .ends(&[PROTOCOL_ERROR]),
        case("6.1", "padded DATA")
            .send(headers(1, &POST, false))
            .send(frame(
                kind::DATA,
                flag::PADDED | flag::END_STREAM,
                1,
                b"\x02xxx\0\0",
            ))
            .answered(1),
        case("6.2", "HEADERS on stream 0")
            .send(headers(0, &GET, true))
            .ends(&[PROTOCOL_ERROR]),
        case("6.2", "padding longer than HEADERS")
            .send(frame(
                kind::HEADERS,
                WHOLE | flag::PADDED,
                1,
                &padded(u8::MAX),
            ))
            .ends(&[PROTOCOL_ERROR]),
        case("6.2", "padded HEADERS")
            .send(frame(kind::HEADERS, WHOLE | flag::PADDED, 1, &padded(4)))
            .answered(1),
        case("6.2", "HEADERS with a priority")
            .send(frame(
                kind::HEADERS,
                WHOLE | flag::PRIORITY,
                1,
                &dependent(0),
            ))
            .answered(1),
        case("5.3.1 of RFC 7540", "HEADERS that depend on themselves")
            .send(frame(
                kind::HEADERS,
                WHOLE | flag::PRIORITY,
                1,
                &dependent(1),
            ))
            .resets(1, &[PROTOCOL_ERROR]),
    ])
    .await;
}

#[tokio::test]
async fn priority_and_reset_have_their_size_and_a_stream() {
    run(vec![
        case("6.3", "PRIORITY on stream 0")
            .send(priority(0, 1))
            .ends(&[PROTOCOL_ERROR]),
        case("6.3", "PRIORITY of four octets")
            .send(headers(1, &HANG_POST, false))
            .send(frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3]))
            .resets(1, &[FRAME_SIZE_ERROR]),
        case("5.3.1 of RFC 7540", "PRIORITY of itself")
            .send(headers(1, &HANG_POST, false))
            .send(priority(1, 1))
            .resets(1, &[PROTOCOL_ERROR]),
        case("6.4", "RST_STREAM on stream 0")
            .send(reset(0, CANCEL))
            .ends(&[PROTOCOL_ERROR]),
        case("6.4", "RST_STREAM of three octets")
            .send(headers(1, &HANG_POST, false))
            .send(frame(kind::RST_STREAM, 0, 1, &[0, 0, 8]))
            .ends(&[FRAME_SIZE_ERROR]),
        case("7", "RST_STREAM with an unknown code")
            .send(headers(1, &HANG_POST, false))
            .send(reset(1, 0xff)),
    ])
    .await;
}

#[tokio::test]
async fn settings_are_the_connections_and_within_their_bounds() {
    run(vec![
        case("6.5", "an acknowledgement that says something")
            .send(frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]))
            .ends(&[FRAME_SIZE_ERROR]),
        case("6.5", "SETTINGS on a stream")
            .send(frame(kind::SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100]))
            .ends(&[PROTOCOL_ERROR]),
        case("6.5", "SETTINGS of five octets")
            .send(frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0]))
            .ends(&[FRAME_SIZE_ERROR]),
        case("6.5.2", "ENABLE_PUSH of two")
            .send(setting(ENABLE_PUSH, 2))
            .ends(&[PROTOCOL_ERROR]),
        case("6.5.2", "INITIAL_WINDOW_SIZE beyond a window")
            .send(setting(INITIAL_WINDOW_SIZE, 1 << 31))
            .ends(&[super::case::FLOW_CONTROL_ERROR]),
        case("6.5.2", "MAX_FRAME_SIZE below the least")
            .send(setting(MAX_FRAME_SIZE, 16_383))
            .ends(&[PROTOCOL_ERROR]),
        case("6.5.2", "MAX_FRAME_SIZE beyond the most")
            .send(setting(MAX_FRAME_SIZE, 1 << 24))
            .ends(&[PROTOCOL_ERROR]),
        case("6.5.2", "an unknown setting").send(setting(0xff, 1)),
        case("6.5.3", "the same one several times").send(frame(
            kind::SETTINGS,
            0,
            0,
            &[0, 4, 0, 0, 0, 100, 0, 4, 0, 0, 0xff, 0xff],
        )),
    ])
    .await;
}

#[tokio::test]
async fn ping_and_goaway_are_the_connections() {
    run(vec![
        case("6.7", "PING on a stream")
            .send(frame(kind::PING, 0, 1, &[7; 8]))
            .ends(&[PROTOCOL_ERROR]),
        case("6.7", "PING of six octets")
            .send(frame(kind::PING, 0, 0, &[7; 6]))
            .ends(&[FRAME_SIZE_ERROR]),
        case("6.7", "an acknowledgement that nobody waits for").send(frame(
            kind::PING,
            flag::ACK,
            0,
            &[7; 8],
        )),
        case("6.8", "GOAWAY on a stream")
            .send(frame(kind::GOAWAY, 0, 1, &[0; 8]))
            .ends(&[PROTOCOL_ERROR]),
    ])
    .await;
}

#[tokio::test]
async fn what_was_asked_before_a_clients_goaway_is_answered() {
    let (mut gateway, _upstream) = start().await;
    let mut frames = Frames::over(gateway.raw_tls(b"h2").await).await;
    frames.headers(1, &POST, false).await;
    // With an error code that nobody knows.
    let payload = [0, 0, 0, 0, 0, 0, 0, 0xff];
    frames.frame(kind::GOAWAY, 0, 0, &payload).await;
    frames.data(1, b"x", true).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answer(200));
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_block_goes_on_in_continuation_alone() {
    let block = block(&GET);
    let (first, rest) = block.split_at(5);
    let (second, third) = rest.split_at(5);
    let begin = || frame(kind::HEADERS, flag::END_STREAM, 1, first);
    let more = |flags, stream, piece: &[u8]| frame(kind::CONTINUATION, flags, stream, piece);
    run(vec![
        case("6.10", "a block in three pieces")
            .send(begin())
            .send(more(0, 1, second))
            .send(more(flag::END_HEADERS, 1, third))
            .answered(1),
        case("6.10", "another frame between them")
            .send(begin())
            .send(more(0, 1, second))
            .send(data(1, b"x", true))
            .ends(&[PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION on stream 0")
            .send(begin())
            .send(more(flag::END_HEADERS, 0, rest))
            .ends(&[PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION of another stream")
            .send(begin())
            .send(more(flag::END_HEADERS, 3, rest))
            .ends(&[PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION behind a whole block")
            .send(headers(1, &HANG_POST, false))
            .send(more(flag::END_HEADERS, 1, rest))
            .ends(&[PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION behind the last piece")
            .send(begin())
            .send(more(flag::END_HEADERS, 1, rest))
            .send(more(flag::END_HEADERS, 1, rest))
            .ends(&[PROTOCOL_ERROR]),
        case("6.10", "CONTINUATION behind DATA")
            .send(headers(1, &HANG_POST, false))
            .send(data(1, b"x", false))
            .send(more(flag::END_HEADERS, 1, rest))
            .ends(&[PROTOCOL_ERROR]),
    ])
    .await;
}
