use http::Method;
use proptest::prelude::*;

use super::*;
use crate::auth::Caller;
use crate::cache::asked::Request as Seen;
use crate::cache::{Caching, look};
use crate::extend::Body;

fn route(cache: &str) -> route_table::table::Route {
    let table = crate::routing::table_for_test(&format!(
        "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
         upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1'] }} }}\n\
         routes: [{{ name: r, match: {{ prefix: / }}, to: {{ upstream: a }}, cache: {cache} }}]\n"
    ));
    table.routes[0].clone()
}

#[track_caller]
fn asked(route: &route_table::table::Route, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request
            .headers_mut()
            .append(name, value.parse().expect("a value"));
    }
    let seen = Seen {
        request: &request,
        path: "/",
        https: false,
        caller: &Caller::anonymous(),
    };
    match look(true, route, seen).map(|caching| *caching) {
        Some(Caching::Read(asked)) => asked,
        other => unreachable!("{other:?}"),
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).expect("an answer")
}

const START: SystemTime = SystemTime::UNIX_EPOCH;

/// Seconds for which the answer is fresh; `None`: it is not kept.
#[track_caller]
fn fresh_for(cache: &str, request: &[(&str, &str)], response: &[(&str, &str)]) -> Option<u64> {
    let route = route(cache);
    let policy = route.policy.cache.as_ref().expect("a policy");
    let asked = asked(&route, request);
    let kept = Kept::of(&asked, policy, &answer(200, response), START)?;
    Some(kept.fresh_for(START).as_secs())
}

/// What answers say, and for how many seconds they are fresh; `None`: they are not kept.
type Said = (&'static [(&'static str, &'static str)], Option<u64>);

const ANSWERS: &[Said] = &[
    (&[("cache-control", "max-age=60")], Some(60)),
    (&[("cache-control", "MAX-AGE=60, s-maxage=5")], Some(5)),
    (&[("cache-control", "max-age=60"), ("age", "20")], Some(40)),
    (
        &[("cache-control", "max-age=60, proxy-revalidate")],
        Some(60),
    ),
    (&[("expires", "Thu, 01 Jan 1970 00:01:00 GMT")], Some(60)),
    (
        &[
            ("cache-control", "max-age=60"),
            ("cdn-cache-control", "max-age=5"),
        ],
        Some(5),
    ),
    (
        &[
            ("cache-control", "no-store"),
            ("cdn-cache-control", "max-age=5"),
        ],
        Some(5),
    ),
    (
        &[("cache-control", "max-age=60, no-store, must-understand")],
        Some(60),
    ),
    // Nothing is guessed; what can be validated is kept for that.
    (
        &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")],
        Some(0),
    ),
    (
        &[("cache-control", "no-cache, max-age=60"), ("etag", "\"a\"")],
        Some(0),
    ),
    (
        &[
            ("cache-control", "max-age=60"),
            ("age", "x"),
            ("etag", "\"a\""),
        ],
        Some(0),
    ),
    (&[("cache-control", "max-age=60"), ("age", "x")], None),
    (&[], None),
    (&[("cache-control", "max-age=60, no-store")], None),
    (&[("cache-control", "max-age=60, private")], None),
    (
        &[("cache-control", "max-age=60"), ("vary", "accept, *")],
        None,
    ),
    (
        &[("cache-control", "max-age=60"), ("set-cookie", "a=b")],
        None,
    ),
    (
        &[
            ("cache-control", "public, max-age=60"),
            ("set-cookie", "a=b"),
        ],
        Some(60),
    ),
    (
        &[
            ("cache-control", "max-age=60"),
            ("content-length", "2097152"),
        ],
        None,
    ),
    (
        &[
            ("cache-control", "max-age=60"),
            ("content-type", "text/event-stream"),
        ],
        None,
    ),
];

#[test]
fn an_answer_is_kept_as_long_as_it_says() {
    for (said, expected) in ANSWERS {
        assert_eq!(fresh_for("true", &[], said), *expected, "{said:?}");
    }
}

#[test]
fn whoever_asks_by_name_gets_an_answer_of_his_own() {
    let by_name = &[("authorization", "Bearer x")][..];
    for (said, expected) in [
        ("max-age=60", None),
        ("max-age=60, public", Some(60)),
        ("s-maxage=60", Some(60)),
        ("max-age=60, must-revalidate", Some(60)),
    ] {
        let answer = [("cache-control", said)];
        assert_eq!(fresh_for("true", by_name, &answer), expected, "{said}");
    }
    let (per_user, visitor) = ("{ per_user: 'cookie:s' }", [("cookie", "s=1")]);
    let private = [("cache-control", "private, max-age=60")];
    assert_eq!(fresh_for(per_user, &visitor, &private), Some(60));
    assert_eq!(fresh_for(per_user, &[], &private), None);
}

#[test]
fn a_route_says_what_answers_leave_unsaid_and_no_more() {
    for (said, expected) in [
        (&[][..], Some(10)),
        (&[("cache-control", "max-age=1")], Some(1)),
        (&[("cache-control", "private")], None),
        (&[("cache-control", "no-cache")], None),
        (&[("expires", "0")], None),
    ] {
        assert_eq!(fresh_for("{ ttl: 10s }", &[], said), expected, "{said:?}");
    }
}

#[test]
fn a_304_renews_the_head_and_leaves_what_the_body_says_of_itself() {
    let route = route("true");
    let policy = route.policy.cache.as_ref().expect("a policy");
    let asked = asked(&route, &[]);
    let first = [
        ("cache-control", "max-age=1"),
        ("etag", "\"a\""),
        ("content-encoding", "gzip"),
        ("x-old", "1"),
    ];
    let kept = Kept::of(&asked, policy, &answer(200, &first), START).expect("an answer");
    let kept = kept.with_body(Bytes::from_static(b"body"));
    let later = START + Duration::from_secs(5);
    let said = [
        ("cache-control", "max-age=60"),
        ("content-encoding", "br"),
        ("x-new", "2"),
    ];
    let said = answer(304, &said);
    let (headers, renewed) = kept.freshened(&asked, policy, said.headers(), later);
    let renewed = renewed.expect("still kept");
    assert_eq!(renewed.body, "body");
    assert_eq!(renewed.fresh_for(later).as_secs(), 60);
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("x-old", "1"),
        ("x-new", "2"),
        ("etag", "\"a\""),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let (_, renewed) = kept.freshened(
        &asked,
        policy,
        answer(304, &[("cache-control", "no-store")]).headers(),
        later,
    );
    assert!(renewed.is_none());
}

proptest! {
    /// Against a naive reading of RFC 9111, sections 4.2 and 4.2.4, and of RFC 5861.
    #[test]
    fn what_is_served_is_never_older_than_allowed(
        max_age in 0_u64..40, age in 0_u64..40, later in 0_u64..100,
        revalidated in 0_u64..40, if_error in 0_u64..40, strict in any::<bool>(),
        wanted in proptest::option::of(0_u64..40),
    ) {
        let route = route("true");
        let policy = route.policy.cache.as_ref().expect("a policy");
        let strictly = if strict { ", must-revalidate" } else { "" };
        let said = format!(
            "max-age={max_age}, stale-while-revalidate={revalidated}, stale-if-error={if_error}{strictly}"
        );
        let wants = wanted.map(|most| format!("max-age={most}"));
        let request: Vec<_> = wants.iter().map(|text| ("cache-control", text.as_str())).collect();
        let asked = asked(&route, &request);
        let age_text = age.to_string();
        let told = [("cache-control", said.as_str()), ("age", &age_text), ("etag", "\"a\"")];
        let kept = Kept::of(&asked, policy, &answer(200, &told), START).expect("an answer");
        let now = START + Duration::from_secs(later);
        let is_now = age + later;
        prop_assert_eq!(kept.age(now).as_secs(), is_now);
        let refused = wanted.is_some_and(|most| is_now > most);
        let expected = if refused {
            Usable::Validated
        } else if is_now < max_age {
            Usable::Fresh
        } else if !strict && is_now - max_age <= revalidated {
            Usable::WhileRevalidated
        } else {
            Usable::Validated
        };
        prop_assert_eq!(kept.usable(&asked, now), expected);
        if kept.serves_on_error(&asked, now) {
            prop_assert!(is_now < max_age || (!strict && is_now - max_age <= if_error));
        }
    }
}
