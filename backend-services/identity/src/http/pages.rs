//! The pages that people see: server-rendered, without a script, for screen readers, phones and the
//! dark.
//!
//! They stand behind a path prefix, so their forms take their targets from the issuer. The style is
//! part of the page and named by its hash in the content security policy: nothing else may load.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use url::Url;

use crate::domain::authorization::CARRIED;
use crate::domain::user::DEVELOPMENT_PASSWORD;
use crate::issuer::Issuer;
use crate::parameters::Parameters;
use crate::provider::Provider;

const STYLE: &str = include_str!("style.css");

static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| {
    let hash = digest::digest(&digest::SHA256, STYLE.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(hash.as_ref()))
});

/// A page on its way out.
#[derive(Debug)]
pub(super) struct Page {
    status: StatusCode,
    title: &'static str,
    body: Markup,
    /// Where its form may lead, beside ourselves: browsers check the redirect that answers a form,
    /// too.
    form_leads_to: Option<String>,
}

/// The login form for one authorization request.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoginForm<'a> {
    pub(super) provider: &'a Provider,
    pub(super) parameters: &'a Parameters,
    /// Checked, unlike the parameter.
    pub(super) redirect_uri: &'a str,
    /// Fills the field.
    pub(super) name: &'a str,
    pub(super) error: Option<&'a str>,
}

impl LoginForm<'_> {
    pub(super) fn page(&self, status: StatusCode) -> Page {
        let form_leads_to = Url::parse(self.redirect_uri)
            .ok()
            .map(|url| url.origin().ascii_serialization());
        Page {
            status,
            title: "Sign in",
            body: self.markup(),
            form_leads_to,
        }
    }

    fn markup(&self) -> Markup {
        let action = self.provider.issuer.path_of("/login");
        html! {
            h1 { "Sign in" }
            p.lead { "to the Banyan shop" }
            @if let Some(error) = self.error {
                p.error #error role="alert" { (error) }
            }
            form method="post" action=(action) {
                (hidden_fields(self.parameters, &CARRIED))
                label for="username" { "E-mail address" }
                input #username name="username" type="email" value=(self.name) list="accounts"
                    autocomplete="username" autocapitalize="none" spellcheck="false" required
                    autofocus[self.name.is_empty()]
                    aria-invalid=[self.error.map(|_| "true")]
                    aria-describedby=[self.error.map(|_| "error")];
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password"
                    required autofocus[!self.name.is_empty()];
                datalist #accounts {
                    @for user in self.provider.users.users() {
                        option value=(user.email) { (user.name) }
                    }
                }
                button type="submit" { "Sign in" }
            }
            (self.development_notice())
        }
    }

    fn development_notice(&self) -> Markup {
        html! {
            aside aria-label="For development" {
                p {
                    strong { "For development only." }
                    " The password of every account is "
                    code { (DEVELOPMENT_PASSWORD) }
                    "."
                }
                details {
                    summary { "Accounts" }
                    ul {
                        @for user in self.provider.users.users() {
                            li { span { (user.name) } code { (user.email) } }
                        }
                    }
                }
            }
        }
    }
}

/// Something that cannot go on.
pub(super) fn error(status: StatusCode, message: &str) -> Page {
    let body = html! {
        h1 { "This did not work" }
        p.error role="alert" { (message) }
        p.lead { "Go back to the application and start again." }
    };
    Page {
        status,
        title: "This did not work",
        body,
        form_leads_to: None,
    }
}

/// Asks before signing out whom no client vouches for.
pub(super) fn confirm_sign_out(issuer: &Issuer, parameters: &Parameters, name: &str) -> Page {
    const CARRIED: [&str; 4] = [
        "id_token_hint",
        "client_id",
        "post_logout_redirect_uri",
        "state",
    ];
    let body = html! {
        h1 { "Sign out?" }
        p.lead { "You are signed in as " strong { (name) } "." }
        form method="post" action=(issuer.path_of("/end-session")) {
            (hidden_fields(parameters, &CARRIED))
            button type="submit" name="confirm" value="yes" { "Sign out" }
        }
    };
    // The client's page was checked against its registration; only its origin is named here.
    let form_leads_to = parameters
        .get("post_logout_redirect_uri")
        .and_then(|uri| Url::parse(uri).ok())
        .map(|url| url.origin().ascii_serialization());
    Page {
        status: StatusCode::OK,
        title: "Sign out",
        body,
        form_leads_to,
    }
}

pub(super) fn signed_out() -> Page {
    let body = html! {
        h1 { "Signed out" }
        p.lead { "You can close this window." }
    };
    Page {
        status: StatusCode::OK,
        title: "Signed out",
        body,
        form_leads_to: None,
    }
}

fn hidden_fields(parameters: &Parameters, names: &[&str]) -> Markup {
    html! {
        @for (name, value) in parameters.iter().filter(|(name, _)| names.contains(name)) {
            input type="hidden" name=(name) value=(value);
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let leads_to = self.form_leads_to.unwrap_or_default();
        let policy = format!(
            "default-src 'none'; style-src {}; form-action 'self' {leads_to}; base-uri 'none'; \
             frame-ancestors 'none'",
            *STYLE_SOURCE
        );
        let headers = [
            (header::CONTENT_SECURITY_POLICY, policy.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // With `no-referrer`, browsers would send our own form with `Origin: null`.
            (header::REFERRER_POLICY, "same-origin"),
        ];
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " – Banyan" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        p.brand { "Banyan" }
                        (self.body)
                    }
                }
            }
        };
        (self.status, headers, Html(document.into_string())).into_response()
    }
}
