//! W3C trace context: which request is part of which.
//!
//! Level 1 (<https://www.w3.org/TR/trace-context-1/>) with the random flag of level 2
//! (<https://www.w3.org/TR/trace-context-2/>).

/// 16 bytes that all spans of one trace share; never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes that name one span; never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// Where in a trace we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// Whether the caller records this trace.
    pub sampled: bool,
    /// Whether whoever started the trace chose its id at random, so that it may be sampled by.
    pub random: bool,
}

/// Flags of a `traceparent`.
const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// Bytes of a `traceparent` of version 00.
const LEN: usize = 55;

impl TraceContext {
    /// Starts a new trace, sampled.
    #[must_use]
    pub fn start() -> Self {
        // Zero would be invalid. The first bit is set to exclude it: level 2 wants the last 7 bytes
        // to be random.
        let trace_id = TraceId((fastrand::u128(..) | 1 << 127).to_be_bytes());
        Self {
            trace_id,
            span_id: SpanId::random(),
            sampled: true,
            random: true,
        }
    }

    /// Reads a `traceparent` header. `None` when it must be ignored: wrong form, version `ff`, or an id
    /// of zeros. Of a version we do not know, the first 55 bytes are read, as the standard asks.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let (head, rest) = bytes.split_at_checked(LEN)?;
        let version = hex::<1>(head.get(0..2)?)?;
        let known_form = match (version, rest.first()) {
            ([0xff], _) => false,
            ([0], rest) => rest.is_none(),
            (_, rest) => rest.is_none_or(|byte| *byte == b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| head.get(*at) == Some(&b'-'));
        if !known_form || !dashes {
            return None;
        }
        let trace_id = TraceId(hex(head.get(3..35)?)?);
        let span_id = SpanId(hex(head.get(36..52)?)?);
        let [flags] = hex(head.get(53..55)?)?;
        let zero = trace_id.0 == [0; 16] || span_id.0 == [0; 8];
        let (sampled, random) = (flags & SAMPLED != 0, flags & RANDOM != 0);
        (!zero).then_some(Self {
            trace_id,
            span_id,
            sampled,
            random,
        })
    }

    /// A new span in the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            ..*self
        }
    }

    /// The `traceparent` header for the next hop, version 00, ASCII.
    #[must_use]
    pub fn traceparent(&self) -> [u8; LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(text.iter_mut().skip(3), &self.trace_id.0);
        write_hex(text.iter_mut().skip(36), &self.span_id.0);
        let flags = (u8::from(self.sampled) * SAMPLED) | (u8::from(self.random) * RANDOM);
        write_hex(text.iter_mut().skip(53), &[flags]);
        text
    }
}

impl SpanId {
    fn random() -> Self {
        Self((fastrand::u64(..) | 1).to_be_bytes())
    }
}

impl TraceId {
    /// 32 hexadecimal digits, ASCII.
    #[must_use]
    pub fn hex(&self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(text.iter_mut(), &self.0);
        text
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let mut pairs = digits.chunks_exact(2);
    for byte in &mut bytes {
        let [high, low] = pairs.next()? else {
            return None;
        };
        *byte = (value(*high)? << 4) | value(*low)?;
    }
    pairs.next().is_none().then_some(bytes)
}

fn write_hex<'t>(text: impl Iterator<Item = &'t mut u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (to, nibble) in text.zip(nibbles) {
        *to = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn text(context: TraceContext) -> String {
        String::from_utf8(context.traceparent().to_vec()).expect("ASCII")
    }

    #[test]
    fn the_standards_example_is_read_and_written() {
        let context = TraceContext::parse(EXAMPLE).expect("valid");
        assert!(context.sampled);
        assert_eq!(text(context), EXAMPLE);
    }

    #[test]
    fn a_child_stays_in_the_trace_and_gets_its_own_span() {
        let parent = TraceContext::start();
        let child = parent.child();
        assert_eq!(child.trace_id, parent.trace_id);
        assert_ne!(child.span_id, parent.span_id);
    }

    #[test]
    fn flags_that_we_know_are_kept_and_others_are_cleared() {
        for (given, kept) in [
            ("00", "00"),
            ("01", "01"),
            ("02", "02"),
            ("03", "03"),
            ("ff", "03"),
        ] {
            let given = format!("{}{given}", EXAMPLE.strip_suffix("01").unwrap());
            let child = TraceContext::parse(&given).expect("valid").child();
            assert!(text(child).ends_with(&format!("-{kept}")), "{given}");
        }
    }

    #[test]
    fn a_later_version_is_read_by_its_first_55_bytes() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert!(TraceContext::parse(&later).is_some());
        assert!(TraceContext::parse(&format!("{later}-what-comes")).is_some());
        assert!(TraceContext::parse(&format!("{later}.what")).is_none());
    }

    #[test]
    fn what_the_standard_forbids_is_ignored() {
        for wrong in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319ü-b7ad6b7169203331-0",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(id in 1_u128.., span in 1_u64.., sampled: bool, random: bool) {
            let context = TraceContext {
                trace_id: TraceId(id.to_be_bytes()),
                span_id: SpanId(span.to_be_bytes()),
                sampled,
                random,
            };
            prop_assert_eq!(TraceContext::parse(&text(context)), Some(context));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
