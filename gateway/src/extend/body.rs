//! A body in either direction, as layers see it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tower::BoxError;

use crate::edge::ClientBody;
use crate::listener::Unread;
use crate::respond::ResponseBody;

/// A request's or a response's body.
pub struct Body(Kind);

/// What passes unchanged is not boxed.
enum Kind {
    Client(ClientBody),
    Answer(Box<ResponseBody>),
    Own(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// A body of any kind.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // A layer that leaves the body alone hands back ours.
        let mut body = Some(body);
        if let Some(own) = (&mut body as &mut dyn std::any::Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_else(Self::empty);
        }
        let body = body.map(|body| body.map_err(Into::into).boxed_unsync());
        body.map_or_else(Self::empty, |body| Self(Kind::Own(body)))
    }

    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::answer(ResponseBody::empty())
    }

    pub(crate) fn client(incoming: Incoming, unread: Option<Unread>) -> Self {
        Self(Kind::Client(ClientBody::new(incoming, unread)))
    }

    pub(crate) fn answer(body: ResponseBody) -> Self {
        Self(Kind::Answer(Box::new(body)))
    }

    /// The answer within; a body that a layer has made is carried as one.
    pub(crate) fn into_answer(self) -> ResponseBody {
        match self.0 {
            Kind::Answer(body) => *body,
            _ => ResponseBody::of_layer(self),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::answer(ResponseBody::full(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Client(_) => "Body(Client)",
            Kind::Answer(_) => "Body(Answer)",
            Kind::Own(_) => "Body(Own)",
        })
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Client(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Answer(body) => Pin::new(&mut **body).poll_frame(cx).map_err(Into::into),
            Kind::Own(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Client(body) => body.is_end_stream(),
            Kind::Answer(body) => body.is_end_stream(),
            Kind::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Client(body) => body.size_hint(),
            Kind::Answer(body) => body.size_hint(),
            Kind::Own(body) => body.size_hint(),
        }
    }
}
