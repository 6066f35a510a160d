//! `/cache`: how much is kept, and forgetting some of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use problem::Problem;
use serde::{Deserialize, Serialize};

use crate::cache::{Purge, plain_authority};
use crate::state::GatewayState;

/// How much is kept.
#[derive(Debug, Serialize)]
pub(super) struct UsagePage {
    entries: u64,
    bytes: u64,
    bytes_max: u64,
    hits: u64,
    evictions: u64,
}

/// What is to be forgotten: exactly one of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    tag: Option<String>,
    url: Option<String>,
    route: Option<String>,
}

pub(super) async fn usage(Shared(gateway): Shared<Arc<GatewayState>>) -> Json<UsagePage> {
    let usage = gateway.cache.usage();
    Json(UsagePage {
        entries: usage.entries,
        bytes: usage.bytes,
        bytes_max: gateway.cache.bytes_max(),
        hits: usage.hits,
        evictions: usage.evictions,
    })
}

/// Takes `{"tag"}`, `{"url"}` or `{"route"}`. JSON only: no page that a browser shows can send that here
/// unasked.
pub(super) async fn purge(
    Shared(gateway): Shared<Arc<GatewayState>>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let refuse =
        |detail: &str| Problem::new(StatusCode::BAD_REQUEST, "bad_purge", detail).into_response();
    let wanted = match wanted {
        Ok(Json(wanted)) => wanted,
        Err(rejection) => return refuse(&rejection.body_text()),
    };
    let purge = match (wanted.tag, wanted.url, wanted.route) {
        (Some(tag), None, None) => Purge::Tag(tag),
        (None, Some(url), None) => match uri(&url) {
            Some(uri) => Purge::Uri(uri),
            None => return refuse("`url` must begin with http:// or https:// and a host"),
        },
        (None, None, Some(route)) => {
            let table = &gateway.snapshot.load_full().table;
            if table.routes.iter().all(|row| *row.name != *route) {
                return refuse("no route has this name");
            }
            Purge::Route(route)
        }
        _ => return refuse("write one of `tag`, `url` and `route`"),
    };
    let purged = gateway.cache.purge(&purge);
    tracing::info!(?purge, purged, "cache purged");
    Json(serde_json::json!({ "purged": purged })).into_response()
}

/// `authority/path?query` of a URL, as the cache spells it.
fn uri(url: &str) -> Option<String> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return None;
    }
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let path = if path.is_empty() { "/" } else { path };
    let path = crate::canonical::canonicalize(path).ok()?;
    Some(format!(
        "{}{}{query}",
        plain_authority(authority),
        path.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_spelled_as_the_cache_spells_it() {
        for (url, expected) in [
            ("https://Shop.test:443/a?b=c", Some("shop.test/a?b=c")),
            ("http://shop.test", Some("shop.test/")),
            ("http://shop.test?x", Some("shop.test/?x")),
            ("http://shop.test:8080/a/%62#c", Some("shop.test:8080/a/b")),
            ("/a", None),
            ("https:///a", None),
        ] {
            assert_eq!(uri(url).as_deref(), expected, "{url}");
        }
    }
}
