//! What stands where a page can't.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use composition::{NoAnswer, Segment};
use maud::{Markup, html};

use super::layout::{Page, Place};
use crate::visitor::Visitor;

/// The page, or the page that says why there is none. `uri` is where to come back to.
pub(super) fn shown(page: Result<Page, NoAnswer>, visitor: &Visitor, uri: &Uri) -> Response {
    let no_answer = match page {
        Ok(page) => return page.shown_to(Some(visitor)),
        Err(no_answer) => no_answer,
    };
    let status = no_answer.problem().status();
    let (title, main) = explained(status, no_answer.problem().detail(), uri);
    let page = of_one_word(title, main).shown_to(Some(visitor));
    let mut response = (status, page).into_response();
    // A 401 must say how to get in, also where people just follow the link.
    let problem = no_answer.into_response();
    if let Some(challenge) = problem.headers().get("www-authenticate") {
        response
            .headers_mut()
            .insert("www-authenticate", challenge.clone());
    }
    response
}

/// In words for people: what is wrong inside is in the log.
fn explained(status: StatusCode, detail: &str, uri: &Uri) -> (&'static str, Markup) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Please sign in",
            html! {
                p { "This page shows what is yours alone." }
                p { a.button href=(login_url(uri)) { "Sign in" } }
            },
        ),
        StatusCode::FORBIDDEN => ("Not allowed", html! { p { "You may not see this page." } }),
        StatusCode::NOT_FOUND => (
            "Not found",
            html! { p { "There is nothing at this address, or it is not yours." } },
        ),
        status if status.is_client_error() => ("Not possible", html! { p { (detail) } }),
        _ => (
            "Not available",
            html! {
                p { "This page cannot be shown at the moment." }
                p { a.button href=(path_and_query(uri)) { "Try again" } }
            },
        ),
    }
}

fn login_url(uri: &Uri) -> String {
    let return_to = Segment::of(path_and_query(uri));
    return_to.map_or_else(
        || "/web/login".to_owned(),
        |return_to| format!("/web/login?return_to={return_to}"),
    )
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// A page that says one thing, to nobody in particular.
pub(crate) fn message(status: StatusCode, title: &'static str, text: &str) -> Response {
    let page = of_one_word(title, html! { p { (text) } });
    (status, page.shown_to(None)).into_response()
}

fn of_one_word(title: &'static str, text: Markup) -> Page {
    Page {
        title: title.to_owned(),
        place: Place::Elsewhere,
        main: html! {
            section.message {
                h1 { (title) }
                (text)
                p { a href="/" { "Back to the portal" } }
            }
        },
        complete: false,
    }
}
