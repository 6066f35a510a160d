//! The endpoint that a request would go to now.

use crate::balance::{Instant, is_in_panic, select_and_tell};
use crate::explain::question::Question;
use crate::explain::report::{Chosen, Narrowed, Standing};
use crate::upstream::{Affinity, UpstreamState};

/// Chooses as the path would. Policies that draw at random, or take turns, may choose another one the
/// next time.
pub(super) fn of(upstream: &UpstreamState, question: &Question, now: Instant) -> Chosen {
    let set = upstream.endpoints();
    let (head, ()) = question.request().clone().into_parts();
    let affinity = Affinity::of(upstream, &head, question.client);
    let selection = affinity.selection(fastrand::u64(..), now);
    let (chosen, steps) = select_and_tell(&set, &selection);
    let steps = steps.into_iter();
    let endpoints = set.iter().map(|endpoint| {
        let (state, _) = endpoint.standing.state(now);
        Standing {
            endpoint: endpoint.name.to_string(),
            state: state.as_str().into(),
            reason: state.to_string(),
            in_flight: endpoint.in_flight(),
        }
    });
    Chosen {
        chosen: chosen.map(|endpoint| endpoint.name.to_string()),
        policy: upstream.config.balance.name().into(),
        panic: is_in_panic(&set, now),
        steps: steps
            .map(|(step, left)| Narrowed {
                step: step.as_str().into(),
                left,
            })
            .collect(),
        endpoints: endpoints.collect(),
    }
}
