//! RFC 9113, sections 3 and 4: how a connection begins, and what a frame is.

use tests::frames::{Frames, Outcome, block, flag, frame, kind};

use super::case::{
    COMPRESSION_ERROR, FRAME_BYTES_MAX, FRAME_SIZE_ERROR, GET, POST, PROTOCOL_ERROR, case, data,
    headers, priority, run, start,
};

#[tokio::test]
async fn a_connection_begins_with_the_preface_and_settings() {
    let (mut gateway, upstream) = start().await;
    let get = headers(1, &GET, true);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (served, (what, bytes)) in [
        (
            "another preface",
            b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        (
            "HTTP/1.1",
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        ),
        ("another frame first", [preface.clone(), get].concat()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = gateway.raw_tls(b"h2").await;
        raw.send(&bytes).await;
        // Its SETTINGS and GOAWAY may come, but no answer.
        raw.read_to_end().await;
        assert_eq!(upstream.requests(), served, "{what}");
        gateway.get("/").await.expect(200);
    }
    let before = upstream.requests();
    let mut frames = Frames::over(gateway.raw_tls(b"h2").await).await;
    frames.headers(1, &GET, true).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answer(200));
    assert_eq!(upstream.requests(), before + 1);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_frame_has_a_size_and_unknown_ones_are_passed_over() {
    let too_large = vec![0; FRAME_BYTES_MAX + 1];
    let large = &too_large[1..];
    let filler = vec![b'x'; FRAME_BYTES_MAX];
    let filler: Vec<_> = filler.chunks(240).map(|value| (&b"x"[..], value)).collect();
    let large_block = [block(&GET), block(&filler)].concat();
    run(vec![
        case("4.1", "an unknown type").send(frame(0x16, 0xff, 0, b"whatever")),
        case("4.1", "an unknown type on a stream").send(frame(0x16, 0, 1, b"whatever")),
        case("4.1", "flags that mean nothing").send(frame(kind::PING, 0x16, 0, &[7; 8])),
        case("4.1", "the reserved bit").send(frame(kind::PING, 0, 1 << 31, &[7; 8])),
        case("4.2", "the largest DATA")
            .send(headers(1, &POST, false))
            .send(data(1, large, true))
            .answered(1),
        case("4.2", "larger DATA")
            .send(headers(1, &POST, false))
            .send(data(1, &too_large, true))
            .resets(1, &[FRAME_SIZE_ERROR]),
        case("4.2", "larger HEADERS")
            .send(frame(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                1,
                &large_block,
            ))
            .ends(&[FRAME_SIZE_ERROR]),
        case("4.2", "a larger frame of an unknown type")
            .send(frame(0x16, 0, 0, &too_large))
            .ends(&[FRAME_SIZE_ERROR]),
        case("4.3", "a block that is no HPACK")
            .send(frame(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                1,
                &[0x40, 0x01, 0x61, 0xff, 0xff],
            ))
            .ends(&[COMPRESSION_ERROR]),
        case("4.3", "PRIORITY within a block")
            .send(frame(kind::HEADERS, flag::END_STREAM, 1, &block(&GET)))
            .send(priority(1, 0))
            .ends(&[PROTOCOL_ERROR]),
        case("4.3", "HEADERS of another stream within a block")
            .send(frame(kind::HEADERS, flag::END_STREAM, 1, &block(&GET)))
            .send(headers(3, &GET, true))
            .ends(&[PROTOCOL_ERROR]),
        case("5.5", "an unknown frame within a block")
            .send(frame(kind::HEADERS, flag::END_STREAM, 1, &block(&GET)))
            .send(frame(0x16, 0, 0, b"whatever"))
            .ends(&[PROTOCOL_ERROR]),
    ])
    .await;
}
