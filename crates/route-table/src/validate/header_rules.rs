//! `request_headers:` and `response_headers:` of a route.

use http::{HeaderName, HeaderValue};

use crate::parse::Node;
use crate::table::{HeaderRules, Provider, Route};
use crate::validate::decoder::{Decoder, Fields};

/// Headers of one hop, and those that say where a message ends (RFC 9110, section 7.6.1).
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What the gateway itself tells upstreams.
const OURS: [&str; 9] = [
    "forwarded",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-deadline-ms",
    "x-request-id",
    "x-shadow",
];

/// Whose headers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Request,
    Response,
}

pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>, of: Of) -> HeaderRules {
    let mut rules = HeaderRules::default();
    let key = match of {
        Of::Request => "`request_headers`",
        Of::Response => "`response_headers`",
    };
    let Some(node) = node else { return rules };
    let Some(mut fields) = Fields::of(decoder, node, key) else {
        return rules;
    };
    if let Some(node) = fields.take("remove") {
        let nodes = decoder.one_or_many(node).into_iter();
        rules.remove = nodes
            .filter_map(|node| decoder.parsed(node, "remove", |text| name(text, of)))
            .collect();
    }
    rules.set = fields
        .take("set")
        .map_or_else(Vec::new, |node| pairs(decoder, node, "set", of));
    rules.add = fields
        .take("add")
        .map_or_else(Vec::new, |node| pairs(decoder, node, "add", of));
    fields.finish(decoder);
    rules
}

pub(super) fn pairs(
    decoder: &mut Decoder<'_>,
    node: &Node,
    key: &str,
    of: Of,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut pairs = Vec::new();
    for (header, node) in decoder.entries(node, key).unwrap_or_default() {
        let value = decoder.parsed(node, &header.text, |text| {
            let value = HeaderValue::from_str(text).ok();
            value.ok_or_else(|| "write visible characters, blanks between them".to_owned())
        });
        match name(&header.text, of) {
            Ok(name) => pairs.extend(value.map(|value| (name, value))),
            Err(mend) => {
                let message = format!("`{}` cannot be changed by `{key}`", header.text);
                decoder.error(header.at, message, mend);
            }
        }
    }
    pairs
}

fn name(text: &str, of: Of) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "write a header's name, such as `X-Env`".to_owned())?;
    if FRAMING.contains(&name.as_str()) {
        return Err("the gateway sees to it, on each side by itself".to_owned());
    }
    if name == http::header::HOST {
        return Err("say `preserve_host` of the upstream".to_owned());
    }
    let is_ours = match of {
        Of::Request => OURS.contains(&name.as_str()),
        Of::Response => name == "x-request-id",
    };
    if is_ours {
        return Err("the gateway says it by itself, so that it can be believed".to_owned());
    }
    Ok(name)
}

/// Nothing but a verified token says who somebody is.
pub(super) fn check_identity(decoder: &mut Decoder<'_>, routes: &[Route], providers: &[Provider]) {
    let identity: Vec<&HeaderName> = providers
        .iter()
        .flat_map(|provider| &provider.claims_to_headers)
        .map(|(_, name)| name)
        .collect();
    for route in routes {
        let rules = &route.policy.request_headers;
        let pairs = rules.set.iter().chain(&rules.add).map(|(name, _)| name);
        for name in rules.remove.iter().chain(pairs) {
            if identity.contains(&name) {
                decoder.error_at(
                    route.position.clone(),
                    format!("`request_headers` would change `{name}`, which says who the user is"),
                    "take it out: it comes from the token (`claims_to_headers` of the provider)",
                );
            }
        }
    }
}
