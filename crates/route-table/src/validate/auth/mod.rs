//! `auth:` — who is believed on who is calling, and what routes ask of callers.

mod place;
mod jwt;
mod provider;
mod demand;

pub(super) use demand::read as demands;

use crate::table::{AccessLog, MatchField, Place, Provider, Route};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::{Section, section};

/// Reads the section.
pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Provider> {
    let node = fields.take("auth");
    let mut fields = node.and_then(|node| Fields::of(decoder, node, "`auth`"));
    let providers = fields.as_mut().and_then(|fields| fields.take("providers"));
    if let Some(fields) = fields {
        fields.finish(decoder);
    }
    section(decoder, providers, "auth.providers", provider::read)
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
