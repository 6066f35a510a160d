//! Names that are one to a reader that turns `-` into `_`, as CGI and its heirs do.

/// Whether such a reader sees one name. Both are lower case already.
pub(crate) fn reads_alike(one: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len()
        && one
            .bytes()
            .zip(other.bytes())
            .all(|(one, other)| folded(one) == folded(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dash_and_underscore_are_one() {
        assert!(reads_alike("x_user-id", "x-user_id"));
        assert!(!reads_alike("x-user-id", "x-user-ip"));
        assert!(!reads_alike("x-user", "x-user-id"));
    }
}
