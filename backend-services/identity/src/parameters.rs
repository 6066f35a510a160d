//! Request parameters as OAuth wants them read: each at most once, and an empty one is an absent
//! one (RFC 6749, section 3.1).

use url::form_urlencoded;

/// Parameters of one request; a real one has a dozen.
const PARAMETERS_MAX: usize = 32;
/// Length of one value in bytes. A `state` or an `id_token_hint` may be long.
const VALUE_BYTES_MAX: usize = 4096;

/// The parameters of a query string or a form.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Says why parameters cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    #[error("the parameter `{0}` is there more than once")]
    Duplicate(String),
    #[error("there are more than {PARAMETERS_MAX} parameters")]
    TooMany,
    #[error("a parameter is longer than {VALUE_BYTES_MAX} bytes")]
    TooLong,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` bytes.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ParametersError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(ParametersError::TooMany);
            }
            if name.len().max(value.len()) > VALUE_BYTES_MAX {
                return Err(ParametersError::TooLong);
            }
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(ParametersError::Duplicate(name.into_owned()));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, unless it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// All of them, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_an_absent_one() {
        let parameters = Parameters::parse(b"state=&scope=a+b%20c").unwrap();
        assert_eq!(parameters.get("state"), None);
        assert_eq!(parameters.get("scope"), Some("a b c"));
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused() {
        let error = Parameters::parse(b"client_id=a&client_id=b").unwrap_err();
        assert_eq!(error, ParametersError::Duplicate("client_id".to_owned()));
    }

    #[test]
    fn the_number_and_the_length_of_parameters_are_bounded() {
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(
            Parameters::parse(many.as_bytes()).unwrap_err(),
            ParametersError::TooMany
        );
        let long = format!("state={}", "x".repeat(VALUE_BYTES_MAX + 1));
        assert_eq!(
            Parameters::parse(long.as_bytes()).unwrap_err(),
            ParametersError::TooLong
        );
    }
}
