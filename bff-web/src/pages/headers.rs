//! What browsers are told about every answer.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::session::Provider;

const FIXED: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // With `no-referrer`, browsers would send our own form with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
];

/// The content security policy, made once.
#[derive(Debug, Clone)]
pub(crate) struct Hardening {
    policy: HeaderValue,
    /// Not on this machine's own name: browsers would keep every other server on it to HTTPS for a
    /// year, whatever its port (RFC 6797).
    strict_transport: bool,
}

impl Hardening {
    pub(crate) fn new(provider: &Provider) -> anyhow::Result<Self> {
        // Signing out is a form that leads on to the provider.
        let leads_to = provider.origin().unwrap_or_default();
        let policy = format!(
            "default-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'none'; \
             form-action 'self' {leads_to}"
        );
        Ok(Self {
            policy: HeaderValue::from_str(policy.trim_end())?,
            strict_transport: !is_this_machine(provider.own_origin()),
        })
    }
}

fn is_this_machine(origin: &str) -> bool {
    let url = url::Url::parse(origin).ok();
    match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Adds the headers that keep a page from being framed, sniffed or scripted by others.
pub(crate) async fn harden(State(hardening): State<Hardening>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, hardening.policy);
    if hardening.strict_transport {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_names_are_kept_to_https_for_a_year() {
        for (origin, own) in [
            ("https://localhost:8443", true),
            ("https://127.0.0.1:8443", true),
            ("https://[::1]:8443", true),
            ("https://shop.test", false),
        ] {
            assert_eq!(is_this_machine(origin), own, "{origin}");
        }
    }
}
