//! RFC 7541: a block that can't be decoded leaves both sides with different tables, and ends the connection.

use tests::frames::{block, flag, frame, kind};

use super::case::{COMPRESSION_ERROR, Case, GET, case, run};

/// A request with these bytes behind its fields.
fn behind(section: &'static str, what: &'static str, bytes: &[u8]) -> Case {
    let block = [&block(&GET), bytes].concat();
    let whole = flag::END_HEADERS | flag::END_STREAM;
    case(section, what).send(frame(kind::HEADERS, whole, 1, &block))
}

/// A literal field `x` with this Huffman-coded value.
fn coded(what: &'static str, value: &[u8]) -> Case {
    let length = 0x80 | u8::try_from(value.len()).unwrap();
    behind("5.2", what, &[b"\x00\x01x", &[length][..], value].concat())
}

#[tokio::test]
async fn a_block_that_cannot_be_decoded_ends_the_connection() {
    let broken = |case: Case| case.ends(&[COMPRESSION_ERROR]);
    run(vec![
        broken(behind("2.3.3", "an index beyond both tables", &[0xc6])),
        broken(behind(
            "2.3.3",
            "an index beyond them for a name",
            &[0x7e, 0x01, b'x'],
        )),
        broken(behind("4.2", "a table's size behind a field", &[0x20])),
        broken(behind("5.1", "an integer without end", &[0xff; 12])),
        broken(behind(
            "5.2",
            "a text longer than the block",
            b"\x00\x01x\x05y",
        )),
        // `a` is 00011, followed by ones.
        broken(coded("padding longer than seven bits", &[0x1f, 0xff])),
        broken(coded("padding of zeros", &[0x18])),
        broken(coded("the code for the end", &[0xff, 0xff, 0xff, 0xff])),
        broken(behind("6.1", "index 0", &[0x80])),
        coded("a coded text", &[0x1f]).answered(1),
    ])
    .await;
}

#[tokio::test]
async fn a_table_may_become_smaller_and_not_larger_than_we_allow() {
    let with_size = |size: &[u8]| {
        let block = [size, &block(&GET)].concat();
        let whole = flag::END_HEADERS | flag::END_STREAM;
        frame(kind::HEADERS, whole, 1, &block)
    };
    run(vec![
        case("6.3", "nothing").send(with_size(&[0x20])).answered(1),
        // 4,096 is 31 and 4,065.
        case("6.3", "as much as we allow")
            .send(with_size(&[0x3f, 0xe1, 0x1f]))
            .answered(1),
        case("6.3", "one more")
            .send(with_size(&[0x3f, 0xe2, 0x1f]))
            .ends(&[COMPRESSION_ERROR]),
    ])
    .await;
}
