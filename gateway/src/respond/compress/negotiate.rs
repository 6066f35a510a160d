//! Which coding a client likes best (RFC 9110, section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use route_table::table::Encoding;

use crate::respond::compress::head::forbids_change;
use crate::respond::quality::weighted;

/// Returns the coding that the client likes best, the first of them where it likes several as much;
/// `None`: the answer stays as it is.
pub(crate) fn choose(headers: &HeaderMap, encodings: &[Encoding]) -> Option<Encoding> {
    if forbids_change(headers) {
        return None;
    }
    let mut best = None;
    for encoding in encodings {
        let weight = wish(headers, encoding.as_str()).or_else(|| wish(headers, "*"));
        let weight = weight.unwrap_or(0);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((*encoding, weight));
        }
    }
    let (encoding, weight) = best?;
    // Whoever names `identity` may like it better.
    let identity = wish(headers, "identity").unwrap_or(0);
    (weight >= identity).then_some(encoding)
}

fn wish(headers: &HeaderMap, coding: &str) -> Option<u16> {
    let mut all = weighted(headers, ACCEPT_ENCODING);
    all.find_map(|(named, weight)| {
        // An old name that is still one (RFC 9110, section 8.4.1.3).
        let named = if named.eq_ignore_ascii_case("x-gzip") {
            "gzip"
        } else {
            named
        };
        named.eq_ignore_ascii_case(coding).then_some(weight)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    use super::*;

    #[test]
    fn the_clients_weights_decide_and_then_the_rows_order() {
        use Encoding::{Brotli, Gzip, Zstd};
        let all = [Zstd, Brotli, Gzip];
        for (accepted, row, chosen) in [
            ("gzip, deflate, br, zstd", &all[..], Some(Zstd)),
            ("gzip, deflate, br", &all, Some(Brotli)),
            ("gzip;q=1.0, br;q=0.5", &all, Some(Gzip)),
            ("GZIP", &all, Some(Gzip)),
            ("x-gzip", &all, Some(Gzip)),
            ("gzip, br", &[Gzip, Brotli], Some(Gzip)),
            ("br", &[Gzip], None),
            ("*", &all, Some(Zstd)),
            ("zstd;q=0, *", &all, Some(Brotli)),
            ("gzip;q=0", &all, None),
            ("gzip;q=0.5, identity", &all, None),
            ("gzip, identity;q=0.5", &all, Some(Gzip)),
            ("identity;q=0", &all, None),
            ("deflate", &all, None),
            ("", &all, None),
        ] {
            let headers =
                HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(choose(&headers, row), chosen, "{accepted}");
        }
        assert_eq!(choose(&HeaderMap::new(), &all), None);
        let untouched = HeaderMap::from_iter([
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            (CACHE_CONTROL, HeaderValue::from_static("no-transform")),
        ]);
        assert_eq!(choose(&untouched, &all), None);
    }
}
