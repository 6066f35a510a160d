//! What a scrape shows after things have happened.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use route_table::table::{RouteId, UpstreamId};

use super::metrics::{AttemptOutcome, Metrics, RequestRecord};

const ROUTE: RouteId = RouteId(3);

fn record<'r>(route: &'r Arc<str>, method: &'r Method, generation: u64) -> RequestRecord<'r> {
    RequestRecord {
        generation,
        route: Some((ROUTE, route)),
        method,
        status: StatusCode::OK,
        upstream: None,
        duration: Duration::from_millis(3),
        failure: None,
    }
}

#[track_caller]
fn assert_line(metrics: &Metrics, expected: &str) {
    let text = metrics.encode();
    assert!(
        text.lines().any(|line| line == expected),
        "no line {expected:?} in\n{text}"
    );
}

#[test]
fn a_request_is_counted_once_with_its_duration() {
    let metrics = Metrics::new();
    let route = Arc::from("GET /api/orders/{id}");
    metrics.request_started();
    assert_line(&metrics, "gateway_requests_in_flight 1");
    metrics.record_request(&RequestRecord {
        upstream: Some((UpstreamId(0), &Arc::from("orders"))),
        ..record(&route, &Method::GET, 1)
    });
    assert_line(&metrics, "gateway_requests_in_flight 0");
    assert_line(
        &metrics,
        "gateway_requests_total{route=\"GET /api/orders/{id}\",method=\"GET\",\
         status=\"200\",upstream=\"orders\"} 1",
    );
    let labels = "route=\"GET /api/orders/{id}\"";
    for (bound, count) in [("0.0025", 0), ("0.005", 1), ("30.0", 1), ("+Inf", 1)] {
        let name = "gateway_request_duration_seconds_bucket";
        assert_line(
            &metrics,
            &format!("{name}{{le=\"{bound}\",{labels}}} {count}"),
        );
    }
    assert_line(
        &metrics,
        &format!("gateway_request_duration_seconds_sum{{{labels}}} 0.003"),
    );
}

#[test]
fn an_invented_method_is_other_and_no_route_is_none() {
    let metrics = Metrics::new();
    let invented = Method::from_bytes(b"BREW").unwrap();
    let name = Arc::from("unused");
    metrics.record_request(&RequestRecord {
        route: None,
        status: StatusCode::NOT_FOUND,
        failure: Some("no_route"),
        ..record(&name, &invented, 1)
    });
    assert_line(
        &metrics,
        "gateway_requests_total{route=\"none\",method=\"OTHER\",status=\"404\",\
         upstream=\"none\"} 1",
    );
    assert_line(&metrics, "gateway_failures_total{reason=\"no_route\"} 1");
}

#[test]
fn a_route_id_that_means_another_route_after_a_reload_is_counted_there() {
    let metrics = Metrics::new();
    let (old, new) = (Arc::from("old"), Arc::from("new"));
    metrics.record_request(&record(&old, &Method::GET, 1));
    metrics.record_request(&record(&new, &Method::GET, 2));
    metrics.record_request(&record(&old, &Method::GET, 1));
    let line = |route, count| {
        format!(
            "gateway_requests_total{{route=\"{route}\",method=\"GET\",status=\"200\",\
             upstream=\"none\"}} {count}"
        )
    };
    assert_line(&metrics, &line("old", 2));
    assert_line(&metrics, &line("new", 1));
}

#[test]
fn all_threads_count_into_one_series() {
    let metrics = Metrics::new();
    let route = Arc::from("GET /");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    metrics.record_request(&record(&route, &Method::GET, 1));
                }
            });
        }
    });
    assert_line(
        &metrics,
        "gateway_requests_total{route=\"GET /\",method=\"GET\",status=\"200\",\
         upstream=\"none\"} 4000",
    );
}

#[test]
fn an_endpoint_that_is_forgotten_and_returns_counts_anew() {
    let metrics = Metrics::new();
    let (upstream, endpoint) = (Arc::from("orders"), Arc::from("127.0.0.1:7007"));
    let count = || {
        metrics.count_attempt(&upstream, 9, &endpoint, AttemptOutcome::Answered);
    };
    let line = "gateway_upstream_requests_total{upstream=\"orders\",\
                endpoint=\"127.0.0.1:7007\",outcome=\"answered\"}";
    count();
    count();
    assert_line(&metrics, &format!("{line} 2"));
    metrics.forget_endpoint(&upstream, &endpoint);
    assert!(!metrics.encode().contains("127.0.0.1:7007"));
    count();
    assert_line(&metrics, &format!("{line} 1"));
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let metrics = Metrics::new();
    let guard = metrics.connection_opened(&Arc::from("edge"));
    let parked = guard.parked();
    assert_line(&metrics, "gateway_connections{listener=\"edge\"} 1");
    assert_line(&metrics, "gateway_connections_parked{listener=\"edge\"} 1");
    drop(parked);
    assert_line(&metrics, "gateway_connections_parked{listener=\"edge\"} 0");
    drop(guard);
    assert_line(&metrics, "gateway_connections{listener=\"edge\"} 0");
}

#[test]
fn a_refused_table_is_seen_until_the_next_good_one() {
    let metrics = Metrics::new();
    metrics.table_applied(7, &[]);
    metrics.reload_failed(&[]);
    assert_line(&metrics, "gateway_config_generation 7");
    assert_line(&metrics, "gateway_config_last_reload_success 0");
    assert_line(
        &metrics,
        "gateway_config_reloads_total{result=\"refused\"} 1",
    );
    metrics.table_applied(8, &[]);
    assert_line(&metrics, "gateway_config_last_reload_success 1");
}

#[test]
fn a_refused_file_is_named_until_it_is_good() {
    let metrics = Metrics::new();
    let refused = "gateway_config_file_refused{file=\"routes.d/orders.yaml\"} 1";
    metrics.table_applied(7, &["routes.d/orders.yaml".into()]);
    assert_line(&metrics, refused);
    assert_line(&metrics, "gateway_config_last_reload_success 0");
    assert_line(
        &metrics,
        "gateway_config_reloads_total{result=\"partly\"} 1",
    );
    metrics.table_applied(8, &[]);
    assert!(!metrics.encode().contains(refused));
}

#[test]
fn a_name_with_quotes_does_not_break_the_format() {
    let metrics = Metrics::new();
    metrics.count_retry(&Arc::from("a\"b\\c\nd"));
    assert_line(
        &metrics,
        r#"gateway_upstream_retries_total{upstream="a\"b\\c\nd"} 1"#,
    );
    assert!(metrics.encode().ends_with("# EOF\n"));
}
