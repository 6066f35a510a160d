//! `auth:` — who is believed on who is calling, and what routes ask of callers.

mod place;
mod jwt;
mod asked;
mod issuer;
mod provider;
mod demand;

pub(super) use demand::read as demands;

use std::time::Duration;

use crate::table::{AccessLog, MatchField, OwnIssuer, Place, Provider, Route};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;
use crate::validate::{Section, section};

/// The whole section.
#[derive(Debug)]
pub(super) struct Auth {
    pub(super) providers: Section<Provider>,
    pub(super) issuer: Option<OwnIssuer>,
}

/// Reads the section.
pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, upstreams: &Names) -> Auth {
    let node = fields.take("auth");
    let mut fields = node.and_then(|node| Fields::of(decoder, node, "`auth`"));
    let mut take = |key| fields.as_mut().and_then(|fields| fields.take(key));
    let (issuer, providers) = (take("issuer"), take("providers"));
    if let Some(fields) = fields {
        fields.finish(decoder);
    }
    let issuer = issuer.and_then(|node| issuer::read(decoder, node));
    let context = provider::Context {
        upstreams,
        issues: issuer.is_some(),
    };
    let providers = section(
        decoder,
        providers,
        "auth.providers",
        |decoder, name, key, node| provider::read(decoder, name, key, node, context),
    );
    Auth { providers, issuer }
}

/// `on_outage: { stale }` — for how long what was known before holds.
fn stale(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, default: Duration) -> Duration {
    let outage = fields.take("on_outage");
    let Some(mut outage) = outage.and_then(|node| Fields::of(decoder, node, "`on_outage`")) else {
        return default;
    };
    let stale = outage.take("stale");
    let stale = decoder.duration(stale, "stale", default);
    outage.finish(decoder);
    stale
}

/// Where tokens and keys are looked for, nothing is logged.
pub(super) fn check_not_logged(
    decoder: &mut Decoder<'_>,
    routes: &[Route],
    providers: &[Provider],
    access_log: &AccessLog,
) {
    let logged = |place: &Place| {
        access_log
            .match_fields
            .iter()
            .any(|field| match (place, field) {
                (Place::Header(name), MatchField::Header(logged)) => name == logged,
                (Place::Cookie(name), MatchField::Cookie(logged))
                | (Place::Query(name), MatchField::Query(logged)) => name == logged,
                _ => false,
            })
    };
    let of_providers = providers.iter().flat_map(|provider| {
        provider
            .from
            .iter()
            .map(|place| (&provider.position, place))
    });
    let of_routes = routes.iter().flat_map(|route| {
        let demands = route.policy.auth.iter().flat_map(|auth| &auth.demands);
        let places = demands.flat_map(|demand| &demand.from);
        places.map(|place| (&route.position, place))
    });
    for (position, _) in of_providers.chain(of_routes).filter(|(_, it)| logged(it)) {
        let message = "`access_log.match_fields` would log the tokens or keys that this reads";
        let mend = "take the field out of `match_fields`, or read them `from` another place";
        decoder.error_at(position.clone(), message, mend);
    }
}
