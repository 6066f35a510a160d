//! Who is looking: a browser with a session, a caller with a token, or nobody known.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use composition::{Anonymous, Caller};

use crate::App;
use crate::session::{Session, cookie};

/// The person behind a request, if known.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) caller: Option<Caller>,
    /// Present when the browser is signed in.
    pub(crate) session: Option<Session>,
}

impl Visitor {
    /// For what only a known person may see.
    pub(crate) fn known(self) -> Result<Caller, Anonymous> {
        self.caller.ok_or(Anonymous)
    }
}

impl<S> FromRequestParts<S> for Visitor
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let app = App::from_ref(state);
        // A token that the gateway has verified wins: its caller is a program that knows what it does.
        if let Ok(caller) = Caller::from_request_parts(parts, state).await {
            return Ok(Self {
                caller: Some(caller),
                session: None,
            });
        }
        let session = cookie::session_id(&parts.headers).and_then(|id| app.sessions.get(&id));
        let caller = session.as_ref().and_then(|session| {
            let token = format!("Bearer {}", session.access_token);
            let mut authorization = HeaderValue::from_str(&token).ok()?;
            authorization.set_sensitive(true);
            Some(Caller {
                user: session.user.clone(),
                authorization,
            })
        });
        Ok(Self { caller, session })
    }
}
