//! An answer that is kept, as a client gets it; and what is said of it in `Cache-Status`, log and metrics.

use std::time::{Duration, SystemTime};

use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::asked::Asked;
use super::kept::Kept;
use crate::respond::ResponseBody;

/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    /// Kept while the request waited for another one.
    Collapsed,
    /// Served stale: while it is revalidated, or because the upstream fails.
    Stale,
    /// The upstream has said that what is kept is still good.
    Revalidated,
    /// The upstream has answered; nothing that could be used was kept.
    Miss,
    /// The request was not for the cache.
    Bypass,
}

impl Outcome {
    /// In log and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Collapsed => "collapsed",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Adds our member to `Cache-Status`, behind those of caches before us.
pub(crate) fn say(headers: &mut HeaderMap, said: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("banyan; {said}")) {
        headers.append(CACHE_STATUS, value);
    }
}

/// Says that an answer comes from what is kept.
pub(crate) fn say_hit(headers: &mut HeaderMap, kept: &Kept, outcome: Outcome, now: SystemTime) {
    let how = match outcome {
        Outcome::Collapsed => "; collapsed",
        _ => "",
    };
    say(headers, &format!("hit; ttl={}{how}", ttl(kept, now)));
}

/// The answer to a request from what is kept: whole, a part of it, or that it has not changed.
pub(crate) fn serve(kept: &Kept, asked: &Asked, now: SystemTime) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = kept.status;
    *response.headers_mut() = kept.headers.clone();
    let headers = response.headers_mut();
    headers.insert(AGE, HeaderValue::from(kept.age(now).as_secs()));
    if is_not_modified(asked, kept.status, &kept.headers) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        return response;
    }
    match range(kept, asked) {
        Part::Whole => {
            let bodiless = kept.status == StatusCode::NO_CONTENT;
            if !bodiless {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(kept.body.len()));
            }
            if !asked.head {
                *response.body_mut() = ResponseBody::full(kept.body.clone());
            }
        }
        Part::Of { from, to } => {
            let piece = kept.body.slice(from..to);
            let total = kept.body.len();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(piece.len()));
            let place = format!("bytes {from}-{}/{total}", to.saturating_sub(1));
            headers.extend(HeaderValue::try_from(place).map(|place| (CONTENT_RANGE, place)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            *response.body_mut() = ResponseBody::full(piece);
        }
        Part::Nothing => {
            let total = format!("bytes */{}", kept.body.len());
            headers.remove(CONTENT_TYPE);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
            headers.extend(HeaderValue::try_from(total).map(|total| (CONTENT_RANGE, total)));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
        }
    }
    response
}

/// Whether the client's copy is still good (RFC 9110, section 13.2.2).
pub(crate) fn is_not_modified(asked: &Asked, status: StatusCode, answer: &HeaderMap) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    let mut tags = asked.headers.get_all(IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let ours = answer.get(ETAG).map(|tag| opaque(tag.as_bytes()));
        return tags.any(|field| {
            let any = field.as_bytes().trim_ascii() == b"*";
            let mut listed = field.as_bytes().split(|byte| *byte == b',').map(opaque);
            any || ours.is_some_and(|ours| listed.any(|tag| tag == ours))
        });
    }
    let date = |headers: &HeaderMap, name| {
        httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
    };
    let since = date(&asked.headers, &IF_MODIFIED_SINCE);
    let changed = date(answer, &LAST_MODIFIED);
    since
        .zip(changed)
        .is_some_and(|(since, changed)| changed <= since)
}

/// A tag without what says that it is weak: for the purpose it makes no difference.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// How much of an answer a client gets.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of { from: usize, to: usize },
    Nothing,
}

/// One range is served, several are not: the whole answer is an answer to them too (RFC 9110, section 14.2).
fn range(kept: &Kept, asked: &Asked) -> Part {
    let wanted = asked.headers.get(RANGE).filter(|_| !asked.head);
    let refused = kept
        .headers
        .get(ACCEPT_RANGES)
        .is_some_and(|units| units == "none");
    let Some(wanted) = wanted.and_then(|wanted| wanted.to_str().ok()) else {
        return Part::Whole;
    };
    if refused || kept.status != StatusCode::OK || !is_same(kept, asked) {
        return Part::Whole;
    }
    part(wanted, kept.body.len())
}

fn part(wanted: &str, length: usize) -> Part {
    let Some((unit, wanted)) = wanted.split_once('=') else {
        return Part::Whole;
    };
    let Some((first, last)) = wanted.trim().split_once('-') else {
        return Part::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    let (from, to) = match (number(first), number(last)) {
        _ if !unit.trim().eq_ignore_ascii_case("bytes") => return Part::Whole,
        (Some(from), Some(last)) if last >= from => (from, last.saturating_add(1).min(length)),
        (Some(from), None) if last.is_empty() => (from, length),
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), length),
        _ => return Part::Whole,
    };
    if from < to {
        Part::Of { from, to }
    } else {
        Part::Nothing
    }
}

/// Whether what the client has a part of is what is kept (`If-Range`): by the strong tag, or the very date.
fn is_same(kept: &Kept, asked: &Asked) -> bool {
    let Some(condition) = asked.headers.get(IF_RANGE) else {
        return true;
    };
    let strong = condition.as_bytes().starts_with(b"\"");
    let ours = kept.headers.get(if strong { ETAG } else { LAST_MODIFIED });
    ours == Some(condition)
}

/// `ttl` of RFC 9211: seconds until it is stale, or since then.
pub(super) fn ttl(kept: &Kept, now: SystemTime) -> i64 {
    let left = kept.fresh_for(now);
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    if left.is_zero() {
        -seconds(kept.stale_for(now).unwrap_or_default())
    } else {
        seconds(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_out_of_what_there_is() {
        for (wanted, expected) in [
            ("bytes=0-0", Part::Of { from: 0, to: 1 }),
            ("bytes=2-4", Part::Of { from: 2, to: 5 }),
            ("bytes=5-", Part::Of { from: 5, to: 10 }),
            ("bytes=5-99", Part::Of { from: 5, to: 10 }),
            ("bytes=-3", Part::Of { from: 7, to: 10 }),
            ("Bytes = -99", Part::Of { from: 0, to: 10 }),
            ("bytes=10-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=99999999999999999999999-", Part::Nothing),
        ] {
            assert_eq!(part(wanted, 10), expected, "{wanted}");
        }
        for wrong in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=a-b",
        ] {
            assert_eq!(part(wrong, 10), Part::Whole, "{wrong}");
        }
    }
}
