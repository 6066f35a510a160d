//! Environment variables in values: `${NAME}` and `${NAME:-default}`; `$${` is a plain `${`.

/// Puts variables in.
///
/// # Errors
/// What is wrong and how to mend it.
pub(super) fn interpolate(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, (String, String)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            return Err((
                format!("`${{{after}` has no closing brace"),
                "write `${NAME}` or `${NAME:-default}`; a plain `${` is `$${`".to_owned(),
            ));
        };
        out.push_str(&value_of(inside, env)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn value_of(
    inside: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, (String, String)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|char: char| char.is_ascii_digit());
    if !valid {
        return Err((
            format!("`{name}` is no name of an environment variable"),
            "use letters, digits and `_`".to_owned(),
        ));
    }
    env(name)
        .filter(|value| !value.is_empty() || default.is_none())
        .or(default.map(str::to_owned))
        .ok_or_else(|| {
            (
                format!("the environment variable `{name}` is not set"),
                format!("set it, or give a default: `${{{name}:-default}}`"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_port(text: &str) -> Result<String, String> {
        let env = |name: &str| (name == "PORT").then(|| "8443".to_owned());
        interpolate(text, &env).map_err(|(message, _)| message)
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("[::1]:${PORT}", "[::1]:8443"),
            ("${PORT:-1}", "8443"),
            ("${OTHER:-1}-${PORT}", "1-8443"),
            ("${OTHER:-}", ""),
            ("$${PORT} $1", "${PORT} $1"),
        ] {
            assert_eq!(with_port(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_named() {
        for (text, message) in [
            ("${OTHER}", "the environment variable `OTHER` is not set"),
            ("${PORT", "`${PORT` has no closing brace"),
            ("${a b}", "`a b` is no name of an environment variable"),
        ] {
            assert_eq!(with_port(text), Err(message.to_owned()), "{text}");
        }
    }
}
