//! Forms come from our own pages: no other site may sign somebody in or out by a form of its own
//! (login CSRF would sign a victim in as the attacker).

use axum::http::HeaderMap;

use crate::http::answers::PageError;
use crate::issuer::Issuer;

/// Refuses a form that a browser sends from another site. What is no browser sends neither header
/// and has no cookies of a victim's.
pub(super) fn require(issuer: &Issuer, headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let site_is_ours = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin_is_ours = text("origin").is_none_or(|origin| origin == issuer.origin());
    if site_is_ours && origin_is_ours {
        return Ok(());
    }
    Err(PageError::forbidden(
        "This form was sent from another site, so it was not accepted.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_accepted(headers: &[(&'static str, &'static str)]) -> bool {
        let issuer: Issuer = "https://localhost:8443/identity".parse().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        require(&issuer, &headers).is_ok()
    }

    #[test]
    fn a_form_of_ours_and_one_of_no_browser_are_accepted() {
        assert!(is_accepted(&[]));
        assert!(is_accepted(&[("origin", "https://localhost:8443")]));
        let ours = [
            ("origin", "https://localhost:8443"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(is_accepted(&ours));
    }

    #[test]
    fn a_form_of_another_site_or_a_hidden_origin_is_refused() {
        assert!(!is_accepted(&[("origin", "https://evil.example")]));
        assert!(!is_accepted(&[("origin", "null")]));
        assert!(!is_accepted(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_accepted(&[("sec-fetch-site", "same-site")]));
    }
}
