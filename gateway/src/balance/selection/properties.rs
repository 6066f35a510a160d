//! What holds whatever the set, its state and the policy.

use std::time::Duration;

use proptest::prelude::*;
use route_table::table::Balance;

use super::*;
use crate::balance::endpoint_set::Member;
use crate::balance::standing::{Doubt, EjectionReason};
use crate::balance::testing::{endpoint, outlier_rules, upstream};

const NOW: Instant = Instant(3_600_000_000_000);

/// One endpoint as the world may have it.
#[derive(Debug, Clone)]
struct Given {
    weight: u32,
    zone: Option<&'static str>,
    priority: u8,
    unhealthy: bool,
    ejected: bool,
    unreachable: bool,
    suspect: bool,
    tried: bool,
    in_flight: usize,
    age_s: u64,
}

fn given() -> impl Strategy<Value = Given> {
    let flags = (
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.2),
    );
    let zone = prop::option::of(prop::sample::select(&["a", "b"][..]));
    (1..=1_000_u32, zone, 0..3_u8, flags, 0..4_usize, 0..100_u64).prop_map(
        |(
            weight,
            zone,
            priority,
            (unhealthy, ejected, unreachable, suspect, tried),
            in_flight,
            age_s,
        )| Given {
            weight,
            zone,
            priority,
            unhealthy,
            ejected,
            unreachable,
            suspect,
            tried,
            in_flight,
            age_s,
        },
    )
}

/// The name of any policy that there is.
fn any_policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        Balance::NAMED
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>(),
    )
}

/// The names of those that give everybody a share by weight as long as nobody has anything to do. The
/// compiler asks for each new one.
fn by_weight_alone() -> Vec<&'static str> {
    let keeps_shares = |policy| match policy {
        Balance::RoundRobin | Balance::Random | Balance::LeastRequest => true,
        Balance::PeakEwma | Balance::Maglev | Balance::BoundedMaglev => false,
    };
    let named = Balance::NAMED.iter();
    let named = named.filter(|(_, policy)| keeps_shares(*policy));
    named.map(|(name, _)| *name).collect()
}

fn set(policy: &str, slow_start: bool, given: &[Given]) -> EndpointSet {
    let slow_start = if slow_start { ", slow_start: 60s" } else { "" };
    let row = upstream(&format!(", balance: {policy}{slow_start}"));
    let member = |(id, given): (u64, &Given)| {
        let found = Instant(NOW.0 - given.age_s * 1_000_000_000);
        let key = endpoint(id).key.clone();
        let endpoint = Arc::new(Endpoint::new(id, key, found));
        if given.unhealthy {
            endpoint.standing.set_health(Err("no answer".into()), NOW);
        }
        if given.ejected {
            let reason = EjectionReason::GatewayFailures;
            endpoint.standing.eject(reason, &outlier_rules(), NOW);
        }
        if given.unreachable {
            endpoint.standing.lose(|| "connection refused".into(), NOW);
        }
        let doubt = given.suspect.then_some(Doubt::LeaseExpired);
        endpoint.standing.set_doubt(doubt, NOW);
        Member {
            endpoint,
            weight: given.weight,
            zone: given.zone.map(Into::into),
            priority: given.priority,
        }
    };
    let members = (1..).zip(given).map(member).collect();
    EndpointSet::new(&row, Some("a"), members, 7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn something_is_selected_and_nothing_unusable_while_an_untried_usable_one_is_left(
        given in prop::collection::vec(given(), 1..24),
        policy in any_policy(),
        slow_start in any::<bool>(),
        (hash, random) in any::<(u64, u64)>(),
    ) {
        let set = set(policy, slow_start, &given);
        let _requests: Vec<_> = set
            .iter()
            .zip(&given)
            .flat_map(|(endpoint, given)| (0..given.in_flight).map(|_| endpoint.begin()))
            .collect();
        let tried: Vec<u64> = (1..)
            .zip(&given)
            .filter(|(_, given)| given.tried)
            .map(|(id, _)| id)
            .collect();
        let selection = Selection { tried: &tried, sticky: None, hash, random, now: NOW };
        let chosen = select(&set, &selection);
        prop_assert!(chosen.is_some());
        let chosen = chosen.map_or(0, |endpoint| endpoint.id);
        let of = |id: u64| given.get(usize::try_from(id - 1).unwrap_or(usize::MAX)).cloned();
        let Some(chosen) = of(chosen) else {
            return Err(TestCaseError::fail("not of the set"));
        };
        let is_usable = |one: &Given| !one.unhealthy && !one.ejected && !one.unreachable;
        let untried = given.iter().any(|one| !one.tried);
        let untried_usable = given.iter().any(|one| !one.tried && is_usable(one));
        prop_assert!(!chosen.tried || !untried, "somewhere else was possible");
        let untried_reachable = given.iter().any(|one| !one.tried && !one.unreachable);
        prop_assert!(!chosen.unreachable || !untried_reachable, "even in panic");
        if !is_in_panic(&set, NOW) {
            prop_assert!(is_usable(&chosen) || !untried_usable);
        }
    }
}

proptest! {
    // Each case is thousands of selections.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn policies_that_go_by_weight_alone_keep_the_shares(
        weights in prop::collection::vec(1..=20_u32, 2..10),
        policy in prop::sample::select(by_weight_alone()),
        seed in any::<u64>(),
    ) {
        const ROUNDS: u32 = 20_000;
        let given: Vec<_> = weights
            .iter()
            .map(|weight| Given {
                weight: *weight,
                zone: None,
                priority: 0,
                unhealthy: false,
                ejected: false,
                unreachable: false,
                suspect: false,
                tried: false,
                in_flight: 0,
                age_s: 100,
            })
            .collect();
        let set = set(policy, true, &given);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut hits = vec![0_u32; weights.len()];
        for _ in 0..ROUNDS {
            let selection = Selection {
                tried: &[],
                sticky: None,
                hash: 0,
                random: random.u64(..),
                now: NOW,
            };
            let chosen = select(&set, &selection).map_or(0, |endpoint| endpoint.id);
            hits[usize::try_from(chosen - 1).unwrap_or(usize::MAX)] += 1;
        }
        let total: u32 = weights.iter().sum();
        for (hits, weight) in hits.iter().zip(&weights) {
            let expected = ROUNDS * weight / total;
            // Five standard deviations of the largest share, and a little for its rounding.
            prop_assert!(hits.abs_diff(expected) < 360, "{hits} for {expected} of {weights:?}");
        }
    }

    #[test]
    fn an_endpoint_in_slow_start_gets_its_part_of_a_share(
        age_s in 6..60_u64,
        policy in prop::sample::select(by_weight_alone()),
        seed in any::<u64>(),
    ) {
        let given = |age_s| Given {
            weight: 1,
            zone: None,
            priority: 0,
            unhealthy: false,
            ejected: false,
            unreachable: false,
            suspect: false,
            tried: false,
            in_flight: 0,
            age_s,
        };
        let set = set(policy, true, &[given(3_000), given(age_s)]);
        let ramp = Duration::from_secs(60).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let part = age_s as f64 / ramp;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut hits = 0;
        for _ in 0..10_000 {
            let selection = Selection {
                tried: &[],
                sticky: None,
                hash: 0,
                random: random.u64(..),
                now: NOW,
            };
            hits += u32::from(select(&set, &selection).is_some_and(|one| one.id == 2));
        }
        let expected = 10_000.0 * part / (1.0 + part);
        prop_assert!((f64::from(hits) - expected).abs() < 260.0, "{hits} for {expected}");
    }
}
