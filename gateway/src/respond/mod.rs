//! What goes back to the client.
//!
//! [`failure`] is the closed vocabulary of what can go wrong and the only place that turns it into
//! HTTP, [`grpc`] says it in gRPC's words. [`forward`] prepares an upstream's answer, [`body`] carries
//! either kind of body and ends the request's record with it, [`taken`] tells whether the client takes it.
//! [`cors`] says whose pages may read an answer, [`vary`] what an answer depends on, [`quality`] what a client would
//! like; [`compress`] is an answer's last step.
//!
//! [`accept`] tells people from programs, [`page`] is what people are shown of a failure, [`head`] leaves bodies out.
//!
//! Error policy: the client sees a status, a page or a problem document (RFC 9457) and the failure's code in
//! `X-Gateway-Error`. What happened inside (addresses, error texts, nearest route) goes to the log.

pub(crate) mod accept;
mod body;
pub(crate) mod compress;
pub(crate) mod cors;
mod failure;
mod forward;
mod grpc;
mod head;
pub(crate) mod page;
mod quality;
mod taken;
mod vary;

pub(crate) use body::ResponseBody;
pub(crate) use failure::{Failure, Source, refuse};
pub(crate) use forward::{Rewrites, prepare};
pub(crate) use grpc::refuse_grpc;
pub(crate) use head::without_body;
pub(crate) use page::{intercept, refuse_readably};
pub(crate) use taken::{Asked, give_up, observe};
