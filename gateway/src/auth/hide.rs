//! Takes tokens and keys off a request that no upstream is to see.

use http::header::AUTHORIZATION;
use http::{Request, Uri};
use route_table::table::{Place, RouteAuth};

use super::authenticators::Authenticators;
use crate::edge::cookies;

/// Removes what the route's demands look at, where their provider's credentials are not passed on. All of
/// it, also what was not looked at because something else had let the caller in.
pub(crate) fn hide_credentials<B>(
    auth: &RouteAuth,
    providers: &Authenticators,
    request: &mut Request<B>,
) {
    for demand in &auth.demands {
        let provider = providers.get(demand.provider).provider();
        if !provider.pass_credential {
            for place in provider.places(demand) {
                hide(place, request);
            }
        }
    }
}

fn hide<B>(place: &Place, request: &mut Request<B>) {
    match place {
        Place::Bearer => drop(request.headers_mut().remove(AUTHORIZATION)),
        Place::Header(name) => drop(request.headers_mut().remove(name)),
        Place::Cookie(name) => cookies::strip(request.headers_mut(), name),
        Place::Query(name) => {
            if let Some(without) = without_parameter(request.uri(), name) {
                *request.uri_mut() = without;
            }
        }
    }
}

/// The address without a parameter of its query; `None` when it has none of that name.
fn without_parameter(uri: &Uri, name: &str) -> Option<Uri> {
    let query = uri.query()?;
    let is_it = |pair: &&str| pair.split_once('=').map_or(*pair, |(key, _)| key) == name;
    if !query.split('&').any(|pair| is_it(&pair)) {
        return None;
    }
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_it(pair)).collect();
    let target = if rest.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), rest.join("&"))
    };
    let mut parts = uri.clone().into_parts();
    // Parts of what was a target are one.
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_hidden(uri: &str, expected: &str) {
        let mut request = Request::get(uri).body(()).unwrap();
        hide(&Place::Query("token".into()), &mut request);
        assert_eq!(request.uri(), expected, "{uri}");
    }

    #[test]
    fn a_parameter_goes_and_the_others_stay_as_they_are() {
        assert_hidden("/a?token=x", "/a");
        assert_hidden("/a?b=1&token=x&c=%20&&d", "/a?b=1&c=%20&&d");
        assert_hidden("/a?token=x&token=y&token", "/a");
        assert_hidden("/a?tokens=x", "/a?tokens=x");
        assert_hidden("https://shop.test/a?token=x&b", "https://shop.test/a?b");
        assert_hidden("/a", "/a");
    }
}
