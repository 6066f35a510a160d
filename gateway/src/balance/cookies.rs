//! One cookie among those of a `Cookie` field (RFC 6265, section 4.2.1), byte by byte: what the others
//! hold is nobody's business here, valid or not.

/// The value of a cookie.
pub(crate) fn find<'f>(field: &'f [u8], name: &str) -> Option<&'f [u8]> {
    pairs(field).find_map(|pair| value(pair, name))
}

/// The field without a cookie; `None` when it does not hold it. Empty when it held nothing else.
pub(super) fn without(field: &[u8], name: &str) -> Option<Vec<u8>> {
    find(field, name)?;
    let others: Vec<_> = pairs(field)
        .filter(|pair| value(pair, name).is_none())
        .collect();
    Some(others.join(&b"; "[..]))
}

fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn value<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let field = b"nodes=1; node=2;node=3";
        assert_eq!(find(field, "node"), Some(&b"2"[..]));
        assert_eq!(find(field, "nod"), None);
        assert_eq!(find(b"", "node"), None);
    }

    #[test]
    fn every_cookie_of_the_name_is_taken_out_and_the_others_stay_as_they_are() {
        let field = b"a=\"x y\"; node=1; caf\xe9=\xff;node=2; b";
        let left = without(field, "node").expect("it is there");
        assert_eq!(left, b"a=\"x y\"; caf\xe9=\xff; b");
        assert_eq!(without(b"node=1", "node"), Some(Vec::new()));
        assert_eq!(without(b"a=1", "node"), None);
    }
}
