//! RFC 9113, section 5: what may come on a stream in which state; and sections 8.1 and 8.4.

use tests::frames::{block, flag, frame, kind};

use super::case::{
    CANCEL, GET, HANG, HANG_POST, POST, PROTOCOL_ERROR, STREAM_CLOSED, case, data, headers,
    priority, reset, run, window_update,
};

#[tokio::test]
async fn a_stream_that_was_not_opened_takes_headers_and_priority_alone() {
    run(vec![
        case("5.1", "DATA")
            .send(data(1, b"x", true))
            .ends(&[PROTOCOL_ERROR]),
        case("5.1", "RST_STREAM")
            .send(reset(1, CANCEL))
            .ends(&[PROTOCOL_ERROR]),
        case("5.1", "WINDOW_UPDATE")
            .send(window_update(1, 100))
            .ends(&[PROTOCOL_ERROR]),
        case("5.1", "CONTINUATION")
            .send(frame(
                kind::CONTINUATION,
                flag::END_HEADERS,
                1,
                &block(&GET),
            ))
            .ends(&[PROTOCOL_ERROR]),
        case("5.1", "PRIORITY").send(priority(1, 0)),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_the_client_has_ended_takes_no_more_of_it() {
    run(vec![
        case("5.1", "DATA after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(data(1, b"x", true))
            .resets(1, &[STREAM_CLOSED]),
        case("5.1", "HEADERS after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(headers(1, &HANG, true))
            .resets(1, &[STREAM_CLOSED, PROTOCOL_ERROR]),
        case("5.1", "CONTINUATION after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(frame(
                kind::CONTINUATION,
                flag::END_HEADERS,
                1,
                &block(&GET),
            ))
            .ends(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        case("5.1", "WINDOW_UPDATE after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(window_update(1, 100)),
        case("5.1", "PRIORITY after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(priority(1, 0)),
        case("5.1", "RST_STREAM after END_STREAM")
            .send(headers(1, &HANG, true))
            .send(reset(1, CANCEL)),
    ])
    .await;
}

#[tokio::test]
async fn a_closed_stream_takes_nothing_that_opens_or_feeds_it() {
    run(vec![
        case("5.1", "DATA after a whole exchange")
            .send(headers(1, &GET, true))
            .answered(1)
            .send(data(1, b"x", true))
            .resets(1, &[STREAM_CLOSED]),
        case("5.1", "HEADERS after a whole exchange")
            .send(headers(1, &GET, true))
            .answered(1)
            .send(headers(1, &GET, true))
            .ends(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        case("5.1", "CONTINUATION after a whole exchange")
            .send(headers(1, &GET, true))
            .answered(1)
            .send(frame(
                kind::CONTINUATION,
                flag::END_HEADERS,
                1,
                &block(&GET),
            ))
            .ends(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        case("5.1", "DATA after RST_STREAM")
            .send(headers(1, &HANG_POST, false))
            .send(reset(1, CANCEL))
            .send(data(1, b"x", true))
            .resets(1, &[STREAM_CLOSED]),
        case("5.1", "HEADERS after RST_STREAM")
            .send(headers(1, &HANG_POST, false))
            .send(reset(1, CANCEL))
            .send(headers(1, &HANG_POST, true))
            .resets(1, &[STREAM_CLOSED, PROTOCOL_ERROR]),
        case(
            "5.1",
            "WINDOW_UPDATE, PRIORITY and RST_STREAM after a whole exchange",
        )
        .send(headers(1, &GET, true))
        .answered(1)
        .send(window_update(1, 100))
        .send(priority(1, 0))
        .send(reset(1, CANCEL)),
    ])
    .await;
}

#[tokio::test]
async fn streams_are_the_clients_and_numbered_upwards() {
    run(vec![
        case("5.1.1", "an even number")
            .send(headers(2, &GET, true))
            .ends(&[PROTOCOL_ERROR]),
        case("5.1.1", "a smaller number")
            .send(headers(5, &GET, true))
            .send(headers(3, &GET, true))
            .ends(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        case("8.4", "PUSH_PROMISE")
            .send(headers(1, &HANG_POST, false))
            .send(frame(
                kind::PUSH_PROMISE,
                flag::END_HEADERS,
                1,
                &[&[0, 0, 0, 2][..], &block(&GET)].concat(),
            ))
            .ends(&[PROTOCOL_ERROR]),
    ])
    .await;
}

#[tokio::test]
async fn a_message_has_one_head_one_body_and_one_end() {
    run(vec![
        case("8.1", "a second head that does not end the stream")
            .send(headers(1, &POST, false))
            .send(headers(1, &[(b"x-sum", b"7")], false))
            .resets(1, &[PROTOCOL_ERROR]),
        case("8.1", "data behind trailers")
            .send(headers(1, &HANG_POST, false))
            .send(headers(1, &[(b"x-sum", b"7")], true))
            .send(data(1, b"x", true))
            .resets(1, &[STREAM_CLOSED]),
        case("8.1.1", "less than Content-Length")
            .send(headers(
                1,
                &[&HANG_POST[..], &[(b"content-length", b"2")]].concat(),
                false,
            ))
            .send(data(1, b"x", true))
            .resets(1, &[PROTOCOL_ERROR]),
        case("8.1.1", "more than Content-Length, in pieces")
            .send(headers(
                1,
                &[&HANG_POST[..], &[(b"content-length", b"2")]].concat(),
                false,
            ))
            .send(data(1, b"xx", false))
            .send(data(1, b"x", true))
            .resets(1, &[PROTOCOL_ERROR]),
    ])
    .await;
}
