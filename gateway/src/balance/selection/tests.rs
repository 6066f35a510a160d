//! Each step of the narrowing by itself.

use super::*;
use crate::balance::endpoint_set::Member;
use crate::balance::standing::{Doubt, EjectionReason};
use crate::balance::sticky;
use crate::balance::testing::{members, outlier_rules, set_of, upstream};

const NOW: Instant = Instant(1_000_000_000);

/// The ids that 200 selections choose, each once, in order.
fn chosen_with(set: &EndpointSet, tried: &[u64], sticky: Option<u64>) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut ids: Vec<_> = (0..200)
        .map(|_| {
            let selection = Selection {
                tried,
                sticky,
                hash: random.u64(..),
                random: random.u64(..),
                now: NOW,
            };
            select(set, &selection).expect("there are endpoints").id
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn chosen(set: &EndpointSet) -> Vec<u64> {
    chosen_with(set, &[], None)
}

fn make_unhealthy(set: &EndpointSet, ids: &[u64]) {
    for endpoint in set.iter().filter(|endpoint| ids.contains(&endpoint.id)) {
        endpoint.standing.set_health(Err("no answer".into()), NOW);
    }
}

fn make_unreachable(set: &EndpointSet, ids: &[u64]) {
    for endpoint in set.iter().filter(|endpoint| ids.contains(&endpoint.id)) {
        endpoint.standing.lose(|| "connection refused".into(), NOW);
    }
}

/// A set in which endpoint 1, 2, … has this zone and priority; the gateway is in zone `a`.
fn placed(places: &[(&str, u8)]) -> EndpointSet {
    let weights = vec![1; places.len()];
    let members = members(&weights).into_iter().zip(places);
    let members = members.map(|(member, (zone, priority))| Member {
        zone: Some((*zone).into()),
        priority: *priority,
        ..member
    });
    // Random reaches every candidate soon.
    let row = upstream(", balance: random");
    EndpointSet::new(&row, Some("a"), members.collect(), 0)
}

fn levels(priorities: &[u8]) -> EndpointSet {
    let places: Vec<_> = priorities.iter().map(|one| ("a", *one)).collect();
    placed(&places)
}

fn zones(zones: &[&'static str]) -> EndpointSet {
    let places: Vec<_> = zones.iter().map(|zone| (*zone, 0)).collect();
    placed(&places)
}

#[test]
fn unhealthy_ejected_and_suspect_endpoints_are_passed_over() {
    let set = set_of(6);
    make_unhealthy(&set, &[1]);
    let endpoint = |index| set.iter().nth(index).expect("an endpoint");
    let reason = EjectionReason::LocalFailures;
    endpoint(1).standing.eject(reason, &outlier_rules(), NOW);
    endpoint(2).standing.set_doubt(Some(Doubt::Draining), NOW);
    assert_eq!(chosen(&set), [4, 5, 6]);
    assert_eq!(
        chosen_with(&set, &[4, 5, 6], None),
        [3],
        "suspect is usable"
    );
}

#[test]
fn below_half_of_usable_endpoints_all_are_used() {
    let set = set_of(4);
    make_unhealthy(&set, &[1, 2]);
    assert_eq!(chosen(&set), [3, 4]);
    assert!(!is_in_panic(&set, NOW));
    make_unhealthy(&set, &[3]);
    assert_eq!(chosen(&set), [1, 2, 3, 4]);
    assert!(is_in_panic(&set, NOW));
}

#[test]
fn not_even_panic_goes_where_there_is_no_connection_while_there_is_anywhere_else() {
    let set = set_of(4);
    make_unhealthy(&set, &[1, 2, 3, 4]);
    make_unreachable(&set, &[1, 2]);
    assert!(is_in_panic(&set, NOW));
    assert_eq!(chosen(&set), [3, 4]);
    assert_eq!(chosen_with(&set, &[3, 4], None), [1, 2]);
    make_unreachable(&set, &[3, 4]);
    assert_eq!(chosen(&set), [1, 2, 3, 4]);
}

#[test]
fn a_priority_that_cannot_be_reached_is_passed_over() {
    let set = levels(&[0, 0, 0, 1]);
    make_unreachable(&set, &[1, 2]);
    assert_eq!(chosen(&set), [4], "a third of the first is not enough");
}

#[test]
fn another_attempt_goes_to_another_endpoint_as_long_as_there_is_one() {
    let set = set_of(3);
    assert_eq!(chosen_with(&set, &[2], None), [1, 3]);
    assert_eq!(chosen_with(&set, &[1, 2, 3], None), [1, 2, 3]);
    assert_eq!(chosen_with(&set_of(1), &[1], None), [1]);
}

#[test]
fn how_sound_a_set_is_does_not_depend_on_where_a_request_has_been() {
    let set = set_of(4);
    make_unhealthy(&set, &[1, 2]);
    assert_eq!(chosen_with(&set, &[3], None), [4], "half is still usable");
}

#[test]
fn the_first_priority_serves_alone_while_half_of_it_is_usable() {
    let set = levels(&[0, 0, 1, 1]);
    assert_eq!(chosen(&set), [1, 2]);
    make_unhealthy(&set, &[1]);
    assert_eq!(chosen(&set), [2]);
    make_unhealthy(&set, &[2]);
    assert_eq!(chosen(&set), [3, 4]);
}

#[test]
fn a_priority_that_is_not_sound_is_passed_over_as_a_whole() {
    let set = levels(&[0, 0, 0, 1, 2]);
    make_unhealthy(&set, &[1, 2, 4]);
    assert_eq!(chosen(&set), [5]);
}

#[test]
fn when_no_priority_is_sound_all_endpoints_serve() {
    let set = levels(&[0, 0, 0, 1]);
    make_unhealthy(&set, &[1, 2, 4]);
    assert_eq!(chosen(&set), [1, 2, 3, 4]);
}

#[test]
fn another_attempt_may_go_to_the_next_priority() {
    let set = levels(&[0, 1]);
    assert_eq!(chosen(&set), [1]);
    assert_eq!(chosen_with(&set, &[1], None), [2]);
}

#[test]
fn the_own_zone_serves_alone_while_enough_of_it_is_usable() {
    let set = zones(&["a", "a", "a", "a", "b", "b"]);
    assert_eq!(chosen(&set), [1, 2, 3, 4]);
    make_unhealthy(&set, &[1]);
    assert_eq!(chosen(&set), [2, 3, 4], "three quarters suffice");
    make_unhealthy(&set, &[2]);
    assert_eq!(chosen(&set), [3, 4, 5, 6], "half does not");
}

#[test]
fn an_own_zone_that_is_leaving_does_not_suffice() {
    let set = zones(&["a", "b"]);
    let leaving = set.iter().next().expect("an endpoint");
    leaving.standing.set_doubt(Some(Doubt::Draining), NOW);
    assert_eq!(chosen(&set), [2]);
}

#[test]
fn zones_count_within_a_priority() {
    let set = placed(&[("b", 0), ("a", 1), ("b", 1)]);
    assert_eq!(chosen(&set), [1]);
    make_unhealthy(&set, &[1]);
    assert_eq!(chosen(&set), [2]);
}

#[test]
fn a_gateway_without_a_zone_prefers_none() {
    let weights = [1; 2];
    let mut members = members(&weights);
    members[0].zone = Some("a".into());
    let set = EndpointSet::new(&upstream(""), None, members, 0);
    assert_eq!(chosen(&set), [1, 2]);
}

fn sticky_set(len: usize) -> (EndpointSet, Vec<u64>) {
    let row = upstream(", sticky: { cookie: node }");
    let cookie = row.sticky.clone().expect("a cookie");
    let set = EndpointSet::new(&row, None, members(&vec![1; len]), 0);
    let names = set
        .iter()
        .map(|endpoint| sticky::name(&cookie, &row.name, &endpoint.key))
        .collect();
    (set, names)
}

#[test]
fn a_client_comes_back_to_the_endpoint_of_its_cookie() {
    let (set, names) = sticky_set(5);
    for (id, name) in (1..).zip(&names) {
        assert_eq!(chosen_with(&set, &[], Some(*name)), [id]);
    }
    let of_third = set.iter().nth(2).and_then(|third| set.cookie_of(third));
    assert_eq!(of_third, Some(names[2]));
}

#[test]
fn a_cookie_of_an_endpoint_that_is_gone_unusable_or_tried_is_a_new_choice() {
    let (set, names) = sticky_set(3);
    assert_eq!(chosen_with(&set, &[], Some(42)), [1, 2, 3]);
    assert_eq!(chosen_with(&set, &[1], Some(names[0])), [2, 3]);
    make_unhealthy(&set, &[1]);
    assert_eq!(chosen_with(&set, &[], Some(names[0])), [2, 3]);
}

#[test]
fn a_cookie_holds_at_an_endpoint_that_is_leaving_and_in_panic() {
    let (set, names) = sticky_set(3);
    let leaving = set.iter().next().expect("an endpoint");
    leaving.standing.set_doubt(Some(Doubt::Draining), NOW);
    assert_eq!(chosen_with(&set, &[], Some(names[0])), [1]);
    make_unhealthy(&set, &[1, 2, 3]);
    assert_eq!(chosen_with(&set, &[], Some(names[0])), [1]);
}

#[test]
fn nothing_is_selected_from_an_empty_set() {
    let selection = Selection {
        tried: &[],
        sticky: None,
        hash: 0,
        random: 0,
        now: NOW,
    };
    assert!(select(&set_of(0), &selection).is_none());
    assert!(!is_in_panic(&set_of(0), NOW));
}
