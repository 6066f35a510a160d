//! `POST /web/logout`: only by our own form, from our own pages.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use problem::Problem;
use serde::Deserialize;

use crate::App;
use crate::session::cookie;
use crate::session::random::digest;

#[derive(Debug, Deserialize)]
pub(crate) struct LogoutForm {
    form_token: String,
}

/// Ends the session here, then at the provider.
pub(crate) async fn logout(
    headers: HeaderMap,
    State(app): State<App>,
    form: Result<Form<LogoutForm>, FormRejection>,
) -> Response {
    let id = cookie::session_id(&headers);
    let session = id.as_ref().and_then(|id| app.sessions.get(id));
    let (Some(id), Some(session)) = (id, session) else {
        // Nothing to end: an old page, or a second click.
        return (
            [(header::SET_COOKIE, cookie::clear_session())],
            Redirect::to("/"),
        )
            .into_response();
    };
    // Digests, so that the time of comparing says nothing of the token.
    let own_form =
        form.is_ok_and(|Form(form)| digest(&form.form_token) == digest(&session.form_token));
    if !(own_form && comes_from(app.provider.own_origin(), &headers)) {
        return Problem::forbidden("this form is not ours").into_response();
    }
    app.sessions.remove(&id);
    let there = app.provider.end_session_url(&session.id_token).await;
    let next = Redirect::to(there.as_deref().unwrap_or("/"));
    ([(header::SET_COOKIE, cookie::clear_session())], next).into_response()
}

/// Whether a page of ours has sent this, as the browser says in two ways.
fn comes_from(origin: &str, headers: &HeaderMap) -> bool {
    let sent = headers.get(header::ORIGIN);
    let site = headers.get("sec-fetch-site");
    sent.is_some_and(|sent| sent.as_bytes() == origin.as_bytes())
        && site.is_none_or(|site| site.as_bytes() == b"same-origin")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_our_own_pages_may_sign_out() {
        let own = "https://shop.test";
        for (sent, ours) in [
            (&[("origin", own)][..], true),
            (&[("origin", own), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", own), ("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://evil.test")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://shop.test.evil.test")], false),
            (&[], false),
        ] {
            let headers = sent.iter().map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            assert_eq!(comes_from(own, &headers.collect()), ours, "{sent:?}");
        }
    }
}
