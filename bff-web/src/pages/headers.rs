//! What browsers are told about every answer.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::session::Provider;

const FIXED: [(HeaderName, &str); 5] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
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
        })
    }
}

/// Adds the headers that keep a page from being framed, sniffed or scripted by others.
pub(crate) async fn harden(State(hardening): State<Hardening>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, hardening.policy);
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
