//! What the access log says of one request, and how that becomes a line.
//!
//! Query values are left out, because they hold what nobody meant to log (tokens, names, searches);
//! the names stay. Headers are not logged at all, but for those that the table names in
//! `access_log.match_fields`.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::json::{ObjectWriter, cut, escape, key};
use super::match_values::MatchValues;

/// One request; everything is borrowed, nothing is copied before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessRecord<'r> {
    /// When the request's head was complete.
    pub(crate) time: SystemTime,
    pub(crate) listener: &'r str,
    /// `HTTP/1.1`, `HTTP/2`.
    pub(crate) protocol: &'static str,
    pub(crate) client: IpAddr,
    pub(crate) method: &'r str,
    pub(crate) host: &'r str,
    pub(crate) path: &'r str,
    /// As it came; values are redacted here.
    pub(crate) query: Option<&'r str>,
    /// What routes may ask for, where the table wants it logged.
    pub(crate) matched_on: Option<&'r MatchValues>,
    /// Letters, digits, `-_.`
    pub(crate) request_id: &'r str,
    /// Hexadecimal.
    pub(crate) trace_id: &'r str,
    pub(crate) route: Option<&'r str>,
    pub(crate) group: Option<&'r str>,
    pub(crate) stage: Option<&'r str>,
    pub(crate) upstream: Option<&'r str>,
    pub(crate) endpoint: Option<&'r str>,
    pub(crate) attempts: u32,
    pub(crate) status: u16,
    pub(crate) failure: Option<&'r str>,
    /// What the cache did.
    pub(crate) cache: Option<&'r str>,
    /// The route that came closest, when none matched.
    pub(crate) nearest_miss: Option<&'r str>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// From the head's last byte to the answer's last.
    pub(crate) duration: Duration,
    /// Waiting for upstreams' headers, all attempts; absent when there was none.
    pub(crate) upstream_duration: Option<Duration>,
    pub(crate) generation: u64,
}

/// The second that was written last: lines come in bursts, and a calendar costs more than a line.
#[derive(Debug, Default)]
pub(super) struct LastSecond {
    second: u64,
    text: String,
}

impl AccessRecord<'_> {
    /// Adds one line of JSON with its newline.
    pub(super) fn write_line(&self, last_second: &mut LastSecond, out: &mut Vec<u8>) {
        let mut line = ObjectWriter::begin(out);
        line.text_with(key!("time"), |out| last_second.write_time(self.time, out));
        line.text(key!("listener"), self.listener);
        line.word(key!("protocol"), self.protocol);
        line.text_with(key!("client"), |out| write_address(out, self.client));
        line.text(key!("method"), self.method);
        line.text(key!("host"), self.host);
        line.text(key!("path"), self.path);
        if let Some(query) = self.query {
            line.text_with(key!("query"), |out| write_query_names(out, query));
        }
        if let Some(values) = self.matched_on {
            line.lists(key!("match"), values.iter());
        }
        line.word(key!("request_id"), self.request_id);
        line.word(key!("trace_id"), self.trace_id);
        line.text_if(key!("route"), self.route);
        line.text_if(key!("group"), self.group);
        line.text_if(key!("stage"), self.stage);
        line.text_if(key!("upstream"), self.upstream);
        line.text_if(key!("endpoint"), self.endpoint);
        line.number(key!("attempts"), u64::from(self.attempts));
        line.number(key!("status"), u64::from(self.status));
        line.text_if(key!("failure"), self.failure);
        line.text_if(key!("cache"), self.cache);
        line.text_if(key!("nearest_miss"), self.nearest_miss);
        line.number(key!("bytes_in"), self.bytes_in);
        line.number(key!("bytes_out"), self.bytes_out);
        line.millis(key!("duration_ms"), micros(self.duration));
        if let Some(duration) = self.upstream_duration {
            line.millis(key!("upstream_ms"), micros(duration));
        }
        line.number(key!("generation"), self.generation);
        line.end();
        out.push(b'\n');
    }
}

impl LastSecond {
    /// Writes RFC 3339 in UTC with milliseconds.
    fn write_time(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != since_1970.as_secs() || self.text.is_empty() {
            self.second = since_1970.as_secs();
            let second = i64::try_from(self.second).unwrap_or(i64::MAX);
            let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
            self.text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        out.extend_from_slice(self.text.as_bytes());
        let millis = since_1970.subsec_millis();
        let digits = [millis / 100, millis / 10 % 10, millis % 10];
        out.push(b'.');
        out.extend(digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0)));
        out.push(b'Z');
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(v6) => write!(out, "{v6}").expect("writing to a vector does not fail"),
    }
}

/// `a=1&b=&c` becomes `a=…&b=…&c`.
fn write_query_names(out: &mut Vec<u8>, query: &str) {
    for (index, pair) in cut(query).split('&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        match pair.split_once('=') {
            Some((name, _)) => {
                escape(out, name);
                out.extend_from_slice("=…".as_bytes());
            }
            None => escape(out, pair),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::telemetry) fn record() -> AccessRecord<'static> {
        AccessRecord {
            time: UNIX_EPOCH + Duration::from_millis(1_768_469_400_042),
            listener: "edge",
            protocol: "HTTP/2",
            client: "192.0.2.7".parse().unwrap(),
            method: "GET",
            host: "shop.test",
            path: "/api/orders/42",
            query: Some("page=2&token=secret&flag"),
            matched_on: None,
            request_id: "0123456789abcdef0123456789abcdef",
            trace_id: "fedcba9876543210fedcba9876543210",
            route: Some("GET /api/orders/{id}"),
            group: Some("orders"),
            stage: Some("service"),
            upstream: Some("orders"),
            endpoint: Some("127.0.0.1:7007"),
            attempts: 1,
            status: 200,
            failure: None,
            cache: None,
            nearest_miss: None,
            bytes_in: 0,
            bytes_out: 517,
            duration: Duration::from_micros(1_234),
            upstream_duration: Some(Duration::from_micros(1_000)),
            generation: 3,
        }
    }

    fn line(record: &AccessRecord<'_>) -> Value {
        let mut out = Vec::new();
        record.write_line(&mut LastSecond::default(), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("}\n") && text.matches('\n').count() == 1,
            "{text:?}"
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_has_every_field_and_no_query_value() {
        assert_eq!(
            line(&record()),
            json!({
                "time": "2026-01-15T09:30:00.042Z",
                "listener": "edge",
                "protocol": "HTTP/2",
                "client": "192.0.2.7",
                "method": "GET",
                "host": "shop.test",
                "path": "/api/orders/42",
                "query": "page=…&token=…&flag",
                "request_id": "0123456789abcdef0123456789abcdef",
                "trace_id": "fedcba9876543210fedcba9876543210",
                "route": "GET /api/orders/{id}",
                "group": "orders",
                "stage": "service",
                "upstream": "orders",
                "endpoint": "127.0.0.1:7007",
                "attempts": 1,
                "status": 200,
                "bytes_in": 0,
                "bytes_out": 517,
                "duration_ms": 1.234,
                "upstream_ms": 1.0,
                "generation": 3,
            })
        );
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let bare = AccessRecord {
            query: None,
            route: None,
            group: None,
            stage: None,
            upstream: None,
            endpoint: None,
            upstream_duration: None,
            failure: Some("no_route"),
            cache: None,
            nearest_miss: Some("GET /api/orders/{id}: method POST"),
            client: "2001:db8::1".parse().unwrap(),
            ..record()
        };
        let line = line(&bare);
        for absent in [
            "query",
            "route",
            "group",
            "stage",
            "upstream",
            "endpoint",
            "upstream_ms",
        ] {
            assert!(line.get(absent).is_none(), "{absent}");
        }
        assert_eq!(line["failure"], "no_route");
        assert_eq!(line["client"], "2001:db8::1");
    }

    #[test]
    fn what_routes_ask_for_is_logged_where_the_table_says_so() {
        let table = crate::routing::table_for_test(
            "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
             access_log: { match_fields: ['header:X-Beta', 'query:v', 'cookie:ab'] }\n\
             upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\n\
             routes: [{ match: { prefix: / }, to: { upstream: a } }]\n",
        );
        let mut headers = http::HeaderMap::new();
        headers.insert("x-beta", http::HeaderValue::from_static("a \"b\""));
        headers.insert(
            "cookie",
            http::HeaderValue::from_static("x=1; ab=2; session=secret"),
        );
        let values = MatchValues::of(&table.access_log, &headers, Some("v=1&token=secret&v=%32"));
        let logged = line(&AccessRecord {
            matched_on: values.as_deref(),
            ..record()
        });
        let expected =
            json!({ "header:x-beta": ["a \"b\""], "query:v": ["1", "2"], "cookie:ab": ["2"] });
        assert_eq!(logged["match"], expected);
        assert!(!logged.to_string().contains("secret"));
        let none = MatchValues::of(&table.access_log, &http::HeaderMap::new(), None);
        let logged = line(&AccessRecord {
            matched_on: none.as_deref(),
            ..record()
        });
        assert_eq!(
            logged["match"]["header:x-beta"],
            json!([]),
            "that it is absent is known"
        );
    }

    #[test]
    fn the_second_is_written_anew_when_it_changes() {
        let mut last_second = LastSecond::default();
        let mut written = |millis: u64| {
            let mut out = Vec::new();
            last_second.write_time(UNIX_EPOCH + Duration::from_millis(millis), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(999), "1970-01-01T00:00:00.999Z");
        assert_eq!(written(1_000), "1970-01-01T00:00:01.000Z");
        assert_eq!(written(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(written(999), "1970-01-01T00:00:00.999Z");
    }

    proptest! {
        #[test]
        fn every_line_is_json_whatever_a_client_sends(
            host in any::<String>(),
            path in any::<String>(),
            query in any::<String>(),
            method in any::<String>(),
            millis in 0..4_102_444_800_000_u64,
            bytes_out in any::<u64>(),
        ) {
            let record = AccessRecord {
                time: UNIX_EPOCH + Duration::from_millis(millis),
                host: &host,
                path: &path,
                query: Some(&query),
                method: &method,
                bytes_out,
                ..record()
            };
            let line = line(&record);
            prop_assert_eq!(line["host"].as_str(), Some(host.as_str()));
            prop_assert_eq!(line["path"].as_str(), Some(path.as_str()));
            prop_assert_eq!(line["method"].as_str(), Some(method.as_str()));
            prop_assert_eq!(line["bytes_out"].as_u64(), Some(bytes_out));
            let names = |text: &str| text.split('&').map(|pair| pair.split('=').next().map(str::to_owned)).collect::<Vec<_>>();
            prop_assert_eq!(names(line["query"].as_str().unwrap()), names(&query));
        }
    }
}
