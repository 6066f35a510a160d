//! `auth.providers:` — whose word on a caller is believed.

use std::sync::Arc;

use http::HeaderName;

use super::jwt;
use super::place;
use crate::parse::{Key, Node};
use crate::table::{ApiKeyFile, Place, Provider, ProviderKind};
use crate::validate::decoder::{Decoder, Fields};

const ROLES_CLAIM: &str = "roles";

pub(super) fn read(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Provider {
    let mut fields = Fields::of_or_empty(decoder, node, format!("provider `{name}`"));
    let file = fields.take("api_keys");
    let kind = match file {
        Some(node) => ProviderKind::ApiKeys(api_keys(decoder, node)),
        None => ProviderKind::Jwt(jwt::read(decoder, &mut fields)),
    };
    let from = fields.take("from").map(|node| place::read(decoder, node));
    let pass_credential = fields.take("pass_credential");
    let pass_credential = pass_credential.and_then(|node| decoder.boolean(node, "pass_credential"));
    let roles_claim = fields.take("roles_claim");
    let roles_claim = roles_claim.and_then(|node| decoder.text(node, "roles_claim"));
    let claims_to_headers = fields.take("claims_to_headers");
    let claims_to_headers = claims_to_headers.map(|node| claims(decoder, node));
    fields.finish(decoder);
    Provider {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        from: from.unwrap_or_else(|| vec![usual_place(&kind)]),
        pass_credential: pass_credential.unwrap_or_else(|| kind.jwt().is_some()),
        kind,
        roles_claim: roles_claim.unwrap_or(ROLES_CLAIM).into(),
        claims_to_headers: claims_to_headers.unwrap_or_else(default_claims),
    }
}

fn usual_place(kind: &ProviderKind) -> Place {
    match kind {
        ProviderKind::Jwt(_) => Place::Bearer,
        ProviderKind::ApiKeys(_) => Place::Header(HeaderName::from_static("x-api-key")),
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
        file.and_then(|node| decoder.text(node, "file"))
    });
    ApiKeyFile {
        path: decoder.source.base_dir.join(path.unwrap_or_default()),
    }
}

fn default_claims() -> Vec<(Arc<str>, HeaderName)> {
    vec![
        ("sub".into(), HeaderName::from_static("x-user-id")),
        ("scope".into(), HeaderName::from_static("x-user-scopes")),
    ]
}

fn claims(decoder: &mut Decoder<'_>, node: &Node) -> Vec<(Arc<str>, HeaderName)> {
    let entries = decoder.entries(node, "claims_to_headers").unwrap_or(&[]);
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
