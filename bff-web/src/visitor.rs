//! Who is looking: a browser with a session, a caller with a token, or nobody known.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use composition::{Caller, NoAnswer};

use crate::App;
use crate::session::{Session, cookie};

/// The person behind a request, if known.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) caller: Option<Caller>,
    /// Present when the browser is signed in.
    pub(crate) session: Option<Arc<Session>>,
}

impl Visitor {
    /// For what only a known person may see.
    pub(crate) fn known(&self) -> Result<Caller, NoAnswer> {
        self.caller.clone().ok_or_else(NoAnswer::anonymous)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        // A token that the gateway has verified wins: its caller is a program that knows what it does.
        if let Ok(caller) = Caller::from_request_parts(parts, app).await {
            return Ok(Self {
                caller: Some(caller),
                session: None,
            });
        }
        let session = cookie::session_id(&parts.headers).and_then(|id| app.sessions.get(&id));
        let caller = match &session {
            Some(session) => app.sessions.caller(session, &app.provider).await,
            None => None,
        };
        Ok(Self { caller, session })
    }
}
