//! JSON written straight into bytes: one flat object a line, no tree and no allocation in between.

/// Bytes of one text value in a line; longer ones are cut.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// A member's name as it is written, with what comes before and behind it; made by [`key!`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub(super) &'static str);

/// The [`Key`] of a name, in which nothing needs escaping.
macro_rules! key {
    ($name:literal) => {
        $crate::telemetry::json::Key(concat!(",\"", $name, "\":"))
    };
}
pub(super) use key;

/// Writes the members of one object.
#[derive(Debug)]
pub(super) struct ObjectWriter<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
}

impl<'b> ObjectWriter<'b> {
    pub(super) fn begin(out: &'b mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, Key(written): Key) {
        let begin = usize::from(self.first);
        self.first = false;
        let written = written.as_bytes().get(begin..).unwrap_or_default();
        self.out.extend_from_slice(written);
    }

    pub(super) fn text(&mut self, key: Key, text: &str) {
        self.text_with(key, |out| escape(out, cut(text)));
    }

    /// Writes a text of which is known that nothing in it needs escaping.
    pub(super) fn word(&mut self, key: Key, word: &str) {
        self.text_with(key, |out| out.extend_from_slice(word.as_bytes()));
    }

    /// Writes a text piece by piece; `write` escapes what needs it.
    pub(super) fn text_with(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    /// Writes an object of lists of texts.
    pub(super) fn lists<'l>(
        &mut self,
        key: Key,
        lists: impl Iterator<Item = (&'l str, &'l [String])>,
    ) {
        self.key(key);
        self.out.push(b'{');
        for (index, (name, texts)) in lists.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.quoted(name);
            self.out.extend_from_slice(b":[");
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    self.out.push(b',');
                }
                self.quoted(text);
            }
            self.out.push(b']');
        }
        self.out.push(b'}');
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        escape(self.out, cut(text));
        self.out.push(b'"');
    }

    /// Leaves out what is absent: shorter lines, and no difference to a reader.
    pub(super) fn text_if(&mut self, key: Key, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    pub(super) fn number(&mut self, key: Key, number: u64) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Writes microseconds as milliseconds with three decimals.
    pub(super) fn millis(&mut self, key: Key, micros: u64) {
        self.number(key, micros / 1000);
        let rest = micros % 1000;
        let digits = [rest / 100, rest / 10 % 10, rest % 10];
        self.out.push(b'.');
        self.out
            .extend(digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Adds a text with quotes, backslashes and controls escaped (RFC 8259 §7).
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (eights, rest) = text.as_bytes().as_chunks();
    let mut last = *b"........";
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    if !eights.iter().chain([&last]).any(needs_escape) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            byte if byte < 0x20 => {
                let low = HEX.get(usize::from(byte & 0xF)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            }
            byte => out.push(byte),
        }
    }
}

/// Whether one of eight bytes is a control, a quote or a backslash. All are looked at in one word: lines are
/// mostly short texts, and a branch for each byte would cost more than writing them.
fn needs_escape(bytes: &[u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = ONES << 7;
    let word = u64::from_le_bytes(*bytes);
    // The high bit of a byte below `limit`; what borrows from the byte before it has found that one.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH_BITS;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) != 0
}

/// The start of a text that is too long, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=TEXT_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(write: impl FnOnce(&mut ObjectWriter<'_>)) -> serde_json::Value {
        let mut bytes = Vec::new();
        let mut writer = ObjectWriter::begin(&mut bytes);
        write(&mut writer);
        writer.end();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (micros, millis) in [(0, 0.0), (7, 0.007), (1_030, 1.03), (1_234_567, 1_234.567)] {
            assert_eq!(
                object(|object| object.millis(key!("ms"), micros))["ms"],
                millis
            );
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let written = object(|object| object.text(key!("text"), &long));
        let written = written["text"].as_str().unwrap();
        assert_eq!(written.len(), TEXT_BYTES_MAX);
        assert!(long.starts_with(written));
        assert!(cut(&"aé".repeat(TEXT_BYTES_MAX)).len() < TEXT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in any::<String>(), number in any::<u64>()) {
            let object = object(|object| {
                object.text(key!("text"), &text);
                object.number(key!("number"), number);
                object.text_if(key!("absent"), None);
            });
            prop_assert_eq!(object["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(object["number"].as_u64(), Some(number));
            prop_assert_eq!(object.as_object().map(serde_json::Map::len), Some(2));
        }
    }
}
