//! Lists in which a client weighs what it would like (RFC 9110, section 12.4.2).

use http::{HeaderMap, HeaderName};

/// The weight of what is named without one, in thousandths.
const ALL: u16 = 1_000;

/// The members of all fields of a name, as [`weighted_in`] reads them.
pub(crate) fn weighted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, u16)> {
    let fields = headers.get_all(name).into_iter();
    let texts = fields.filter_map(|value| value.to_str().ok());
    texts.flat_map(weighted_in)
}

/// The members of a list, parameters left out, with their weights in thousandths.
pub(crate) fn weighted_in(text: &str) -> impl Iterator<Item = (&str, u16)> {
    text.split(',').filter_map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let named = parts.next().filter(|named| !named.is_empty())?;
        let weight = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.eq_ignore_ascii_case("q").then(|| thousandths(value))
        });
        Some((named, weight.unwrap_or(ALL)))
    })
}

/// `0`, `1`, or up to three digits behind the point; what is no weight wishes for nothing.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().map(|byte| match byte {
        b'0'..=b'9' => Some(u16::from(byte - b'0')),
        _ => None,
    });
    let places = [100, 10, 1];
    let sum = digits
        .zip(places)
        .try_fold(0, |sum, (digit, place)| Some(sum + digit? * place));
    match (whole, sum) {
        _ if fraction.len() > places.len() => 0,
        ("1", Some(0)) => ALL,
        ("0", Some(sum)) => sum,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn weights_are_thousandths_and_one_where_none_is_said() {
        let headers = HeaderMap::from_iter([
            (
                ACCEPT,
                HeaderValue::from_static("a, b;q=0.5 , c ; v=1; Q=0.125,"),
            ),
            (
                ACCEPT,
                HeaderValue::from_static("d;q=0, e;q=1.000, f;q=1.5, g;q=x, h;q=0.1234"),
            ),
        ]);
        let found: Vec<_> = weighted(&headers, ACCEPT).collect();
        assert_eq!(
            found,
            [
                ("a", 1_000),
                ("b", 500),
                ("c", 125),
                ("d", 0),
                ("e", 1_000),
                ("f", 0),
                ("g", 0),
                ("h", 0),
            ]
        );
    }
}
