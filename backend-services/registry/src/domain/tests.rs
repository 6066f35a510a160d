//! The rules, case by case.

use std::time::Duration;

use discovery::{Registration, Source, Status};

use super::{Directory, Key, Record, Refused};
use crate::clock::Moment;

const TTL: Duration = Duration::from_secs(15);
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// Where counting begins in these tests.
pub(super) const INDEX: u64 = 1_000;

pub(super) fn at(secs: u64) -> Moment {
    Duration::from_secs(secs)
}

pub(super) fn key(service: &str, id: &str) -> Key {
    Key {
        service: service.to_owned(),
        id: id.to_owned(),
    }
}

pub(super) fn on_port(port: u16) -> Registration {
    serde_json::from_value(serde_json::json!({ "addr": "127.0.0.1", "port": port })).unwrap()
}

fn by_registrar(port: u16) -> Registration {
    Registration {
        source: Source::Registrar,
        ..on_port(port)
    }
}

/// A directory with `count` instances of `order`, registered at zero on ports 1, 2, 3 …
fn with_orders(count: u16) -> Directory {
    let mut directory = Directory::new(INDEX);
    for n in 1..=count {
        let key = key("order", &format!("order-{n}"));
        directory
            .register(at(0), &key, on_port(n), format!("lease-{n}"))
            .unwrap();
    }
    directory
}

fn order(n: u16) -> Key {
    key("order", &format!("order-{n}"))
}

#[track_caller]
pub(super) fn status(directory: &Directory, key: &Key) -> Option<Status> {
    let view = directory.view(&key.service);
    view.instances
        .iter()
        .find(|found| found.id == key.id)
        .map(|found| found.status)
}

/// Probes every suspect that is due; each is answered by `alive`.
pub(super) fn probe_all(
    directory: &mut Directory,
    now: Moment,
    alive: impl Fn(&Key) -> bool,
) -> usize {
    let due = directory.due_probes(now, PROBE_INTERVAL, usize::MAX);
    for probe in &due {
        directory.probed(&probe.key, &probe.lease_id, alive(&probe.key));
    }
    due.len()
}

/// Lets every suspect fail as many probes as it takes.
fn fail_all_probes(directory: &mut Directory, from: Moment) {
    for n in 0..3 {
        probe_all(directory, from + PROBE_INTERVAL * n, |_| false);
    }
}

#[test]
fn an_expired_lease_is_suspect_before_it_is_evicted() {
    let mut directory = with_orders(1);
    assert_eq!(directory.suspect_expired(at(14)), []);
    assert_eq!(status(&directory, &order(1)), Some(Status::Up));
    assert_eq!(directory.suspect_expired(at(15)), [order(1)]);
    assert_eq!(status(&directory, &order(1)), Some(Status::Suspect));
    assert_eq!(directory.evict(), [], "without evidence nobody is evicted");
    fail_all_probes(&mut directory, at(15));
    assert_eq!(directory.evict(), [order(1)]);
    assert_eq!(status(&directory, &order(1)), None);
    assert!(directory.services().is_empty());
}

#[test]
fn a_renewal_clears_the_suspicion() {
    let mut directory = with_orders(1);
    directory.suspect_expired(at(15));
    fail_all_probes(&mut directory, at(15));
    directory.renew(at(20), &order(1), "lease-1").unwrap();
    assert_eq!(status(&directory, &order(1)), Some(Status::Up));
    assert_eq!(directory.evict(), []);
    assert_eq!(directory.suspect_expired(at(34)), []);
    assert_eq!(
        directory.suspect_expired(at(35)),
        [order(1)],
        "a TTL counts from the renewal"
    );
}

#[test]
fn a_suspect_whose_probe_answers_stays_last_in_selection_and_is_kept() {
    let mut directory = with_orders(2);
    directory.renew(at(10), &order(2), "lease-2").unwrap();
    directory.suspect_expired(at(15));
    probe_all(&mut directory, at(15), |_| false);
    probe_all(&mut directory, at(17), |_| false);
    probe_all(&mut directory, at(19), |_| true);
    probe_all(&mut directory, at(21), |_| false);
    assert_eq!(directory.evict(), [], "failures count in a row");
    let view = directory.view("order");
    let order: Vec<_> = view
        .instances
        .iter()
        .map(|found| found.id.as_str())
        .collect();
    assert_eq!(order, ["order-2", "order-1"]);
}

#[test]
fn a_probe_is_due_once_an_interval_even_if_it_is_never_answered() {
    let mut directory = with_orders(3);
    directory.suspect_expired(at(15));
    assert_eq!(directory.due_probes(at(15), PROBE_INTERVAL, 2).len(), 2);
    assert_eq!(directory.due_probes(at(15), PROBE_INTERVAL, 2).len(), 1);
    assert_eq!(directory.due_probes(at(16), PROBE_INTERVAL, 2).len(), 0);
    assert_eq!(directory.due_probes(at(17), PROBE_INTERVAL, 9).len(), 3);
}

#[test]
fn a_probe_of_a_former_lease_proves_nothing() {
    let mut directory = with_orders(1);
    directory.suspect_expired(at(15));
    directory
        .register(at(16), &order(1), on_port(1), "lease-1b".to_owned())
        .unwrap();
    for _ in 0..3 {
        directory.probed(&order(1), "lease-1", false);
        directory.probed(&order(1), "lease-1b", false);
    }
    assert_eq!(directory.evict(), []);
}

#[test]
fn one_round_evicts_at_most_fifteen_percent_and_at_least_one() {
    for (instances, evicted) in [(1, 1), (6, 1), (7, 1), (13, 1), (14, 2), (20, 3), (100, 15)] {
        let mut directory = with_orders(instances);
        directory.suspect_expired(at(15));
        fail_all_probes(&mut directory, at(15));
        assert_eq!(directory.evict().len(), evicted, "of {instances}");
    }
}

#[test]
fn those_that_have_been_silent_the_longest_go_first() {
    let mut directory = with_orders(3);
    directory.renew(at(2), &order(1), "lease-1").unwrap();
    directory.renew(at(1), &order(2), "lease-2").unwrap();
    directory.suspect_expired(at(30));
    fail_all_probes(&mut directory, at(30));
    let rounds: Vec<_> = std::iter::repeat_with(|| directory.evict())
        .take(3)
        .flatten()
        .collect();
    assert_eq!(rounds, [order(3), order(2), order(1)]);
}

#[test]
fn a_mass_expiry_freezes_evictions_only_until_probes_answer() {
    let mut directory = with_orders(100);
    directory.suspect_expired(at(15));
    assert_eq!(directory.evict(), []);
    // Ten are really dead.
    let is_dead = |key: &Key| (1..=10).any(|n| *key == order(n));
    for n in 0..3 {
        probe_all(&mut directory, at(15 + 2 * n), |key| !is_dead(key));
    }
    let evicted = directory.evict();
    assert_eq!(evicted.len(), 10);
    assert!(evicted.iter().all(is_dead));
    assert_eq!(directory.view("order").instances.len(), 90);
}

#[test]
fn a_suspect_whose_address_a_live_instance_has_taken_goes_without_a_probe() {
    let mut directory = with_orders(1);
    directory.suspect_expired(at(15));
    directory
        .register(
            at(16),
            &key("catalog", "c"),
            on_port(1),
            "lease-c".to_owned(),
        )
        .unwrap();
    // The new process would answer the old one's probes.
    probe_all(&mut directory, at(16), |_| true);
    assert_eq!(directory.evict(), [order(1)]);
}

#[test]
fn only_the_holder_of_a_lease_may_use_it() {
    let mut directory = with_orders(1);
    let refused = Err(Refused::AnothersLease);
    assert_eq!(directory.renew(at(1), &order(1), "x").map(drop), refused);
    assert_eq!(directory.set_status(&order(1), "x", Status::Down), refused);
    assert_eq!(directory.deregister(&order(1), "x"), refused);
    let unknown = Err(Refused::Unknown);
    assert_eq!(
        directory.renew(at(1), &order(2), "lease-1").map(drop),
        unknown
    );
    assert_eq!(
        directory.set_status(&order(2), "lease-1", Status::Down),
        unknown
    );
    assert_eq!(directory.deregister(&order(2), "lease-1"), unknown);
}

#[test]
fn a_process_that_starts_again_takes_its_name_over_and_ends_the_old_lease() {
    let mut directory = with_orders(1);
    let again = directory
        .register(at(5), &order(1), on_port(9), "lease-new".to_owned())
        .unwrap();
    assert!(!again.created);
    assert_eq!(directory.view("order").instances[0].port, 9);
    assert_eq!(
        directory.renew(at(6), &order(1), "lease-1").map(drop),
        Err(Refused::AnothersLease)
    );
    directory.renew(at(6), &order(1), "lease-new").unwrap();
}

#[test]
fn an_instances_own_word_wins_over_a_registrars() {
    let mut directory = Directory::new(INDEX);
    let own = key("order", "order-1");
    directory
        .register(at(0), &own, by_registrar(1), "r1".to_owned())
        .unwrap();
    directory
        .register(
            at(0),
            &key("order", "pid-9"),
            by_registrar(7),
            "r2".to_owned(),
        )
        .unwrap();
    // Its own word replaces what was said under its id, and under any id at its address.
    directory
        .register(at(1), &own, on_port(7), "own".to_owned())
        .unwrap();
    let view = directory.view("order");
    assert_eq!(view.instances.len(), 1);
    assert_eq!(view.instances[0].source, Source::Itself);
    // And it is not replaced by hearsay, neither by id nor by address.
    for (id, port) in [("order-1", 1), ("pid-10", 7)] {
        assert_eq!(
            directory.register(
                at(2),
                &key("order", id),
                by_registrar(port),
                "r3".to_owned()
            ),
            Err(Refused::RegistersItself),
            "{id}"
        );
    }
}

#[test]
fn an_instance_may_say_all_but_that_it_is_suspect() {
    let mut directory = with_orders(1);
    for said in [Status::Draining, Status::Down, Status::Up] {
        directory.set_status(&order(1), "lease-1", said).unwrap();
        assert_eq!(status(&directory, &order(1)), Some(said));
    }
    assert_eq!(
        directory.set_status(&order(1), "lease-1", Status::Suspect),
        Err(Refused::NotToBeSaid)
    );
}

#[test]
fn an_instance_that_dies_while_draining_is_never_offered_again_and_is_evicted() {
    let mut directory = with_orders(1);
    directory
        .set_status(&order(1), "lease-1", Status::Draining)
        .unwrap();
    directory.suspect_expired(at(15));
    assert_eq!(status(&directory, &order(1)), Some(Status::Draining));
    fail_all_probes(&mut directory, at(15));
    assert_eq!(directory.evict(), [order(1)]);
}

#[test]
fn a_restart_gives_every_lease_one_ttl_of_grace() {
    let mut before = with_orders(2);
    before
        .set_status(&order(2), "lease-2", Status::Draining)
        .unwrap();
    let records: Vec<Record> = before
        .take_unsaved()
        .into_iter()
        .filter_map(|(_, record)| record)
        .collect();
    let mut after = Directory::new(before.index());
    // The registry was away for much longer than a TTL.
    let start = at(500);
    after.restore(start, records);
    assert_eq!(
        after.suspect_expired(start + TTL - Duration::from_millis(1)),
        []
    );
    assert_eq!(status(&after, &order(2)), Some(Status::Draining));
    after.renew(start, &order(1), "lease-1").unwrap();
    assert_eq!(after.suspect_expired(start + TTL).len(), 2);
    assert!(after.has_changed_since("order", before.index()));
}

#[test]
fn only_what_changed_is_saved_and_a_failed_save_is_made_up_for() {
    let mut directory = with_orders(2);
    let unsaved = directory.take_unsaved();
    assert_eq!(unsaved.len(), 2);
    assert_eq!(directory.take_unsaved(), []);
    directory.still_unsaved(unsaved.into_iter().map(|(key, _)| key));
    directory.deregister(&order(1), "lease-1").unwrap();
    let unsaved = directory.take_unsaved();
    assert_eq!(unsaved[0], (order(1), None));
    assert!(unsaved[1].1.is_some());
    directory.renew(at(1), &order(2), "lease-2").unwrap();
    assert_eq!(
        directory.take_unsaved(),
        [],
        "renewals are not worth a write"
    );
}

#[test]
fn who_watches_a_service_hears_of_its_changes_alone() {
    let mut directory = with_orders(1);
    let known = directory.view("order").index;
    directory
        .register(at(0), &key("catalog", "c"), on_port(99), "c".to_owned())
        .unwrap();
    assert!(!directory.has_changed_since("order", known));
    directory.renew(at(1), &order(1), "lease-1").unwrap();
    assert!(
        !directory.has_changed_since("order", known),
        "a renewal changes nothing"
    );
    directory
        .register(at(1), &order(1), on_port(1), "again".to_owned())
        .unwrap();
    assert!(
        !directory.has_changed_since("order", known),
        "nor does the same said again"
    );
    directory.deregister(&order(1), "again").unwrap();
    assert!(
        directory.has_changed_since("order", known),
        "the last instance is gone"
    );
    let known = directory.view("order").index;
    assert!(!directory.has_changed_since("order", known));
    assert!(
        directory.has_changed_since("order", 0),
        "a client that knows nothing"
    );
    assert!(
        directory.has_changed_since("order", known + 1),
        "a client from another history"
    );
}

#[test]
fn the_directory_is_bounded_and_what_is_in_it_may_change_still() {
    let mut directory = Directory::new(INDEX);
    for n in 0..1_000 {
        let key = key(&format!("service-{n}"), "a");
        directory
            .register(at(0), &key, on_port(1), "l".to_owned())
            .unwrap();
    }
    let one_more = directory.register(at(0), &key("more", "a"), on_port(1), "l".to_owned());
    assert_eq!(one_more.map(drop), Err(Refused::Full));
    for n in 0..9_000 {
        let key = key(&format!("service-{}", n % 1_000), &format!("b{n}"));
        directory
            .register(at(0), &key, on_port(2), "l".to_owned())
            .unwrap();
    }
    let one_more = directory.register(at(0), &key("service-0", "c"), on_port(3), "l".to_owned());
    assert_eq!(one_more.map(drop), Err(Refused::Full));
    directory
        .register(at(0), &key("service-0", "a"), on_port(4), "l".to_owned())
        .unwrap();
}
