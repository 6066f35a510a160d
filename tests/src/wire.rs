//! HTTP/1.1 as it is on the wire, read strictly: the judge of what others have written.

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// A chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunked {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Bytes on the wire.
    pub(crate) length: usize,
}

/// Length of the head at the start of `bytes`, with the empty line; `None` when it is not all there.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

/// A head's fields, names in lower case.
pub(crate) fn fields(head: &str) -> Vec<(String, String)> {
    let lines = head.split("\r\n").skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

/// What is wrong with a head, by the grammar of RFC 9112 without anything that a reader may tolerate.
pub(crate) fn check_head(head: &[u8]) -> Result<(), String> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    for (number, line) in split_lines(text).into_iter().enumerate() {
        let shown = String::from_utf8_lossy(line).into_owned();
        if line.iter().any(|byte| b"\r\n\0".contains(byte)) {
            return Err(format!("a control character in {shown:?}"));
        }
        if number == 0 {
            let words: Vec<_> = shown.split(' ').collect();
            if words.len() != 3 || words[1].is_empty() || words[2] != "HTTP/1.1" {
                return Err(format!("no request line: {shown:?}"));
            }
            continue;
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if name.len() == line.len() || name.is_empty() || !name.iter().all(token) {
            return Err(format!("no field line: {shown:?}"));
        }
    }
    Ok(())
}

fn split_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

/// The one framing that a message's fields give.
pub(crate) fn framing(fields: &[(String, String)]) -> Result<Framing, String> {
    let values = |wanted: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect()
    };
    match (
        &values("content-length")[..],
        &values("transfer-encoding")[..],
    ) {
        ([], []) => Ok(Framing::None),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| format!("length {length}"))?;
            Ok(Framing::Length(length))
        }
        ([], ["chunked"]) => Ok(Framing::Chunked),
        (lengths, encodings) => Err(format!("lengths {lengths:?}, encodings {encodings:?}")),
    }
}

/// Reads a chunked body from the start of `bytes`; `None` when it is not all there.
pub(crate) fn dechunk(bytes: &[u8]) -> Result<Option<Chunked>, String> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line_at(bytes, at) else {
            return Ok(None);
        };
        let size = String::from_utf8_lossy(line).into_owned();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("chunk size {size:?}"));
        }
        let length = usize::from_str_radix(&size, 16).map_err(|_| format!("chunk size {size}"))?;
        at += line.len() + 2;
        if length == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + length + 2) else {
            return Ok(None);
        };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else {
            return Err("a chunk longer than its size".to_owned());
        };
        data.extend_from_slice(chunk);
        at += length + 2;
    }
    let mut trailers = Vec::new();
    while let Some(line) = line_at(bytes, at) {
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some(Chunked {
                data,
                trailers,
                length: at,
            }));
        }
        let line = String::from_utf8_lossy(line).into_owned();
        let (name, value) = line.split_once(':').ok_or("a trailer without a colon")?;
        trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(None)
}

/// The line that begins `at`, without its end.
fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    Some(&rest[..end])
}
