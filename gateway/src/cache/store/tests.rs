use std::time::SystemTime;

use http::{Response, header::HeaderValue};
use route_table::table::Route;

use super::*;
use crate::auth::Caller;
use crate::cache::asked::{Caching, Request as Seen, look};
use crate::extend::Body;

fn route(name: &str) -> Route {
    let table = crate::routing::table_for_test(&format!(
        "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
         upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1'] }} }}\n\
         routes: [{{ name: {name}, match: {{ prefix: / }}, to: {{ upstream: a }}, cache: {{ per_user: 'cookie:s', \
         key: {{ ignore_query: ['utm_*'] }} }} }}]\n"
    ));
    table.routes[0].clone()
}

fn request(path_and_query: &str, headers: &[(&'static str, &str)]) -> http::Request<Body> {
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = format!("http://shop.test{path_and_query}")
        .parse()
        .expect("a URI");
    for (name, value) in headers {
        request
            .headers_mut()
            .append(*name, value.parse().expect("a value"));
    }
    request
}

fn caching(route: &Route, request: &http::Request<Body>) -> Caching {
    let seen = Seen {
        request,
        path: request.uri().path(),
        https: false,
        caller: &Caller::anonymous(),
    };
    *look(true, route, seen).expect("a concern of the cache")
}

#[track_caller]
fn asked(route: &Route, path_and_query: &str, headers: &[(&'static str, &str)]) -> Asked {
    match caching(route, &request(path_and_query, headers)) {
        Caching::Read(asked) => asked,
        other => unreachable!("{other:?}"),
    }
}

/// Keeps an answer that is known by its body.
fn put(
    cache: &Cache,
    route: &Route,
    asked: &Asked,
    headers: &[(&str, &str)],
    body: &'static str,
) -> bool {
    let (place, _) = cache.find(asked);
    put_at(cache, route, asked, &place, headers, body)
}

fn put_at(
    cache: &Cache,
    route: &Route,
    asked: &Asked,
    place: &Place,
    headers: &[(&str, &str)],
    body: &'static str,
) -> bool {
    let mut response = Response::builder().header("cache-control", "public, max-age=60");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let response = response.body(()).expect("an answer");
    let policy = route.policy.cache.as_ref().expect("a policy");
    let kept = Kept::of(asked, policy, &response, SystemTime::UNIX_EPOCH).expect("to be kept");
    cache.put(place, &asked.headers, Arc::new(kept.with_body(body.into())))
}

#[track_caller]
fn found(cache: &Cache, asked: &Asked) -> String {
    let body = cache
        .find(asked)
        .1
        .map(|kept| kept.body.to_vec())
        .unwrap_or_default();
    String::from_utf8(body).expect("text")
}

const BYTES: u64 = 1 << 20;

#[test]
fn requests_that_differ_in_what_counts_have_answers_of_their_own() {
    let (cache, r, other) = (Cache::new(BYTES), route("r"), route("other"));
    let first = asked(&r, "/a?x=1&utm_source=mail", &[]);
    put(&cache, &r, &first, &[], "first");
    assert_eq!(
        found(&cache, &asked(&r, "/a?x=1&utm_medium=web", &[])),
        "first"
    );
    for another in [
        asked(&r, "/a?x=2", &[]),
        asked(&r, "/a", &[]),
        asked(&r, "/b?x=1", &[]),
        asked(&r, "/a?x=1", &[("cookie", "s=7")]),
        asked(&other, "/a?x=1", &[]),
    ] {
        assert_eq!(found(&cache, &another), "", "{another:?}");
    }
}

#[test]
fn no_value_of_one_user_spells_another_one() {
    let (cache, r) = (Cache::new(BYTES), route("r"));
    let one = asked(&r, "/a", &[("cookie", "s=1")]);
    put(&cache, &r, &one, &[], "of one");
    for cookie in ["s=2", "s=1\u{e9}", "s=", "t=1", "s=11"] {
        let mut another = asked(&r, "/a", &[]);
        another.apart.clear();
        let bytes = HeaderValue::from_bytes(cookie.as_bytes()).expect("a value");
        let mut request = request("/a", &[]);
        request.headers_mut().insert("cookie", bytes);
        let Caching::Read(another) = caching(&r, &request) else {
            unreachable!("{cookie}")
        };
        assert_eq!(found(&cache, &another), "", "{cookie}");
    }
}

#[test]
fn an_answer_that_varies_is_found_by_what_it_varies_by() {
    let (cache, r) = (Cache::new(BYTES), route("r"));
    let german = asked(&r, "/a", &[("accept-language", "de")]);
    let french = asked(&r, "/a", &[("accept-language", "fr")]);
    put(
        &cache,
        &r,
        &german,
        &[("vary", "Accept-Language")],
        "deutsch",
    );
    assert_eq!(found(&cache, &french), "");
    put(
        &cache,
        &r,
        &french,
        &[("vary", "accept-language")],
        "français",
    );
    assert_eq!(found(&cache, &german), "deutsch");
    assert_eq!(found(&cache, &french), "français");
    assert_eq!(found(&cache, &asked(&r, "/a", &[])), "");
}

#[test]
fn what_changes_a_uri_takes_all_of_it_and_what_its_answer_names() {
    let (cache, r) = (Cache::new(BYTES), route("r"));
    let all = ["/a", "/b", "/c", "/d/e"].map(|path| asked(&r, path, &[]));
    let of_one = asked(&r, "/a", &[("cookie", "s=1")]);
    for asked in all.iter().chain([&of_one]) {
        put(&cache, &r, asked, &[("vary", "accept")], "kept");
    }
    let mut post = request("/a", &[]);
    *post.method_mut() = http::Method::POST;
    let Caching::Write(target) = caching(&r, &post) else {
        unreachable!("POST changes things")
    };
    let mut answer = HeaderMap::new();
    answer.insert(LOCATION, HeaderValue::from_static("https://shop.test/b"));
    answer.insert(
        CONTENT_LOCATION,
        HeaderValue::from_static("https://elsewhere.test/c"),
    );
    cache.invalidate(&target, &answer);
    assert_eq!(
        all.each_ref().map(|asked| found(&cache, asked)),
        ["", "", "kept", "kept"]
    );
    assert_eq!(found(&cache, &of_one), "");
    answer.insert(LOCATION, HeaderValue::from_static("d/e#f"));
    cache.invalidate(&target, &answer);
    assert_eq!(found(&cache, &all[3]), "");
}

#[test]
fn a_purge_takes_what_it_names_and_what_was_on_its_way() {
    let (cache, r) = (Cache::new(BYTES), route("r"));
    let [one, other, late] = ["/a", "/b", "/c"].map(|path| asked(&r, path, &[]));
    put(&cache, &r, &one, &[("cache-tag", "news, sport")], "one");
    put(
        &cache,
        &r,
        &other,
        &[("surrogate-key", "news front")],
        "other",
    );
    let (place, _) = cache.find(&late);
    assert_eq!(cache.purge(&Purge::Tag("sport".to_owned())), 1);
    assert_eq!(
        (found(&cache, &one), found(&cache, &other)),
        (String::new(), "other".to_owned())
    );
    assert!(!put_at(&cache, &r, &late, &place, &[], "from before"));
    assert_eq!(found(&cache, &late), "");
    assert_eq!(cache.purge(&Purge::Uri("shop.test/b".to_owned())), 1);
    put(&cache, &r, &one, &[], "again");
    assert_eq!(cache.purge(&Purge::Route("elsewhere".to_owned())), 0);
    assert_eq!(cache.purge(&Purge::Route("r".to_owned())), 1);
}

#[test]
fn memory_is_bounded_by_bytes() {
    let (cache, r) = (Cache::new(64 * 1024), route("r"));
    for number in 0..1_000 {
        let asked = asked(&r, &format!("/{number}"), &[]);
        put(&cache, &r, &asked, &[], "0123456789");
    }
    let usage = cache.usage();
    assert!(usage.bytes <= 64 * 1024, "{usage:?}");
    assert!(usage.entries < 100, "{usage:?}");
    assert!(usage.evictions > 0, "{usage:?}");
}
