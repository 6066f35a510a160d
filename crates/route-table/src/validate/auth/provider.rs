//! `auth.providers:` — whose word on a caller is believed.

use std::sync::Arc;

use http::HeaderName;

use super::{asked, certificate, jwt, place};
use crate::parse::{Key, Node};
use crate::table::{ApiKeyFile, Place, Provider, ProviderKind};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;

const ROLES_CLAIM: &str = "roles";

/// What of the rest of the table a provider may refer to.
#[derive(Clone, Copy)]
pub(super) struct Context<'n> {
    pub(super) upstreams: &'n Names,
    /// There is an `auth.issuer`.
    pub(super) issues: bool,
}

pub(super) fn read(
    decoder: &mut Decoder<'_>,
    name: &Arc<str>,
    key: &Key,
    node: &Node,
    context: Context<'_>,
) -> Provider {
    let mut fields = Fields::of_or_empty(decoder, node, format!("provider `{name}`"));
    let kind = kind(decoder, &mut fields, context.upstreams);
    let from = fields.take("from").map(|node| place::read(decoder, node));
    let pass_credential = fields.take("pass_credential");
    let pass_credential = pass_credential.and_then(|node| decoder.boolean(node, "pass_credential"));
    let roles_claim = fields.take("roles_claim");
    let roles_claim = roles_claim.and_then(|node| decoder.text(node, "roles_claim"));
    let claims_to_headers = fields.take("claims_to_headers");
    let claims_to_headers =
        claims_to_headers.map(|node| claims_of(decoder, node, "claims_to_headers"));
    let exchange = fields.take("exchange").and_then(|node| {
        let wanted = decoder.boolean(node, "exchange")?;
        if wanted && !context.issues {
            let mend = "add `auth.issuer: { name: …, key: …, audiences: […] }`";
            decoder.error(node.at, "`exchange` needs an issuer", mend);
        }
        Some(wanted)
    });
    let exchange = exchange.unwrap_or(false);
    let given = fields.given(&[]);
    fields.finish(decoder);
    Provider {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        from: from.unwrap_or_else(|| Vec::from_iter(usual_place(&kind))),
        pass_credential: pass_credential.unwrap_or(!exchange && passes_credential(&kind)),
        exchange,
        given,
        kind,
        roles_claim: roles_claim.unwrap_or(ROLES_CLAIM).into(),
        claims_to_headers: claims_to_headers.unwrap_or_else(default_claims),
    }
}

fn kind(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, upstreams: &Names) -> ProviderKind {
    let (api_keys, forward) = (fields.take("api_keys"), fields.take("forward"));
    if let Some(node) = fields.take("client_certificate") {
        return ProviderKind::ClientCertificate(certificate::sans(decoder, node));
    }
    match (api_keys, forward, fields.take("introspection")) {
        (Some(node), None, None) => ProviderKind::ApiKeys(self::api_keys(decoder, node)),
        (None, Some(node), None) => ProviderKind::Forward(asked::forward(decoder, node, upstreams)),
        (None, None, Some(node)) => {
            ProviderKind::Introspection(asked::introspection(decoder, node, upstreams))
        }
        (None, None, None) => ProviderKind::Jwt(jwt::read(decoder, fields)),
        (_, _, Some(node)) | (Some(node), ..) => {
            let message = "a provider knows callers in one way";
            decoder.error(
                node.at,
                message,
                "make another provider, and name both in `any`",
            );
            ProviderKind::ApiKeys(ApiKeyFile { path: "".into() })
        }
    }
}

/// Whether upstreams see what callers bring, unless the table says otherwise.
fn passes_credential(kind: &ProviderKind) -> bool {
    !matches!(
        kind,
        ProviderKind::ApiKeys(_) | ProviderKind::ClientCertificate(_)
    )
}

fn usual_place(kind: &ProviderKind) -> Option<Place> {
    match kind {
        ProviderKind::Jwt(_) | ProviderKind::Introspection(_) => Some(Place::Bearer),
        ProviderKind::ApiKeys(_) => Some(Place::Header(HeaderName::from_static("x-api-key"))),
        ProviderKind::Forward(_) | ProviderKind::ClientCertificate(_) => None,
    }
}

fn api_keys(decoder: &mut Decoder<'_>, node: &Node) -> ApiKeyFile {
    let path = Fields::of(decoder, node, "`api_keys`").and_then(|mut fields| {
        let file = fields.require(
            decoder,
            "file",
            "name the file, such as `file: api-keys.yaml`",
        );
        fields.finish(decoder);
        file.and_then(|node| decoder.path(node, "file"))
    });
    ApiKeyFile {
        path: path.unwrap_or_default(),
    }
}

fn default_claims() -> Vec<(Arc<str>, HeaderName)> {
    vec![
        ("sub".into(), HeaderName::from_static("x-user-id")),
        ("scope".into(), HeaderName::from_static("x-user-scopes")),
    ]
}

/// Claims with the headers they stand in.
pub(super) fn claims_of(
    decoder: &mut Decoder<'_>,
    node: &Node,
    key: &str,
) -> Vec<(Arc<str>, HeaderName)> {
    let entries = decoder.entries(node, key).unwrap_or(&[]);
    let header = |text: &str| {
        let name = HeaderName::from_bytes(text.as_bytes());
        name.map_err(|_| "write a header's name, such as `X-User-Id`".to_owned())
    };
    let mut read = |(claim, node): &(Key, Node)| {
        let name = decoder.parsed(node, &claim.text, header)?;
        Some((claim.text.as_str().into(), name))
    };
    entries.iter().filter_map(&mut read).collect()
}
