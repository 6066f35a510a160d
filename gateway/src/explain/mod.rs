//! What becomes of a request, and why: the same decisions as on the request's path, told instead of taken.
//!
//! [`explain`] reads a request as the edge would, has the table explain itself, and adds what applies to
//! the row that takes it: [`settings`], each with where it comes from, and on a running gateway the
//! [`endpoint`] that would be chosen. [`text`] is the report for people; programs get it as JSON.
//!
//! **Architecture invariant:** nothing here decides. Where the path and this module could come to two
//! answers, they call one function.

mod answers;
mod auth;
mod endpoint;
mod question;
mod report;
mod settings;
mod text;

use http::{Method, StatusCode};
use route_table::table::{Action, Cors, UpstreamId};
use route_table::{Explanation, Match, RequestFacts, Table, Verdict};

use crate::canonical::canonicalize;
use crate::edge::{hygiene, maintenance, websocket};
use crate::migration;
use crate::respond::Failure;
use crate::respond::cors::{self, Preflight};
use crate::routing::{Snapshot, share_of};
use crate::state::Clock;

pub(crate) use auth::{in_words as auth_in_words, provider_name, requirements};
pub(crate) use question::{Question, Words, X_GATEWAY_EXPLAIN};
pub(crate) use report::Report;

use report::{Asked, Candidate, Destination, Refused, Taken};

/// A running gateway, for what only that knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live<'l> {
    pub(crate) snapshot: &'l Snapshot,
    pub(crate) clock: Clock,
}

/// Explains what `table` makes of a request.
pub(crate) fn explain(table: &Table, question: &Question, live: Option<Live<'_>>) -> Report {
    let request = question.request();
    let mut report = Report::new(Asked::of(question));
    report.generation = live.map(|live| live.snapshot.generation);
    let host = match hygiene::check(request) {
        Ok(host) => host.to_ascii_lowercase(),
        Err(failure) => return report.refused(&failure),
    };
    report.request.host.clone_from(&host);
    let path = match canonicalize(request.uri().path()) {
        Ok(path) => path,
        Err(refused) => return report.refused(&Failure::PathRefused(refused.reason())),
    };
    path.as_str().clone_into(&mut report.request.path);
    let facts = RequestFacts {
        host: &host,
        path: path.as_str(),
        method: match websocket::asked(request) {
            Some(_) => &Method::GET,
            None => request.method(),
        },
        headers: request.headers(),
        query: request.uri().query(),
        client_ip: question.client,
    };
    let preflight = Preflight::of(request);
    let answered = preflight
        .as_ref()
        .and_then(|preflight| preflight.find_route(table, &facts));
    let facts = match (&preflight, &answered) {
        // From here on it is about the request that it announces.
        (Some(preflight), Some(_)) => RequestFacts {
            method: &preflight.method,
            ..facts
        },
        _ => facts,
    };
    let explanation = table.explain(&facts);
    report.list(table, &explanation);
    let Some(matched) = table.find(&facts) else {
        report.refused = Some(Refused::of(&Failure::NoRoute));
        return report;
    };
    let params = matched.params.iter();
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
    report.route = Some(Taken {
        name: matched.route.name.to_string(),
        at: report::place(&matched.route.position),
        params: params.collect(),
    });
    if let Some((_, cors)) = answered {
        report.to = Some(to_preflight(cors, &facts));
        report.settings = settings::of(table, matched.route, None);
        return report;
    }
    if let Err(failure) = maintenance::check(matched.route, question.client) {
        report.refused = Some(Refused::of(&failure));
    }
    let upstream = upstream_of(table, &matched, &facts);
    report.to = Some(destination(table, &matched, upstream, &facts));
    report.settings = settings::of(table, matched.route, upstream.map(|id| table.upstream(id)));
    if let (Some(id), Some(live)) = (upstream, live) {
        let state = live.snapshot.upstream(id);
        report.endpoint = Some(endpoint::of(state, question, live.clock.now()));
    }
    report
}

/// What becomes of a preflight; `facts` are of the request that it announces.
fn to_preflight(cors: &Cors, facts: &RequestFacts<'_>) -> Destination {
    let method = facts.method;
    let preflight = match cors::allowed(cors, facts.headers) {
        Some(_) if !cors::lists(cors, method) => {
            format!("a preflight: {method} is not among the row's methods")
        }
        Some(_) => format!("a preflight: pages of this origin may send {method}"),
        None => format!("a preflight: pages of this origin may not send {method}"),
    };
    Destination {
        status: Some(StatusCode::NO_CONTENT.as_u16()),
        preflight: Some(preflight),
        ..Destination::default()
    }
}

/// Who serves it; `None` where that is drawn for each request, and where the table answers itself.
fn upstream_of(
    table: &Table,
    matched: &Match<'_, '_>,
    facts: &RequestFacts<'_>,
) -> Option<UpstreamId> {
    match &matched.route.action {
        Action::Upstream(id) => Some(*id),
        Action::Split(split) => split
            .by
            .is_some()
            .then(|| share_of(split, facts.client_ip, facts.path, facts.headers)),
        Action::Migration(id) => Some(migration::serving_upstream(table.migration(*id))),
        Action::Respond(_) | Action::Redirect(_) => None,
    }
}

fn destination(
    table: &Table,
    matched: &Match<'_, '_>,
    serving: Option<UpstreamId>,
    facts: &RequestFacts<'_>,
) -> Destination {
    let (route, params) = (matched.route, &matched.params);
    let (query, method) = (facts.query, facts.method);
    let upstream = serving.map(|id| table.upstream(id));
    let mut destination = Destination {
        upstream: upstream.map(|upstream| upstream.name.to_string()),
        upstream_at: upstream.map(|upstream| report::place(&upstream.position)),
        path: route.policy.rewrite.as_ref().map(|path| path.fill(params)),
        ..Destination::default()
    };
    if let Some(mirror) = &route.policy.mirror {
        let name = &table.upstream(mirror.upstream).name;
        destination.mirror = Some(if mirror.takes(method, serving) {
            format!("{} % of them copied to {name}", mirror.percent)
        } else {
            format!("not copied to {name}")
        });
    }
    match &route.action {
        Action::Upstream(_) => {}
        Action::Split(split) => {
            let shares = split.shares.iter();
            destination.shares = shares
                .map(|share| report::Share {
                    upstream: table.upstream(share.upstream).name.to_string(),
                    weight: share.weight,
                })
                .collect();
        }
        Action::Migration(id) => {
            let group = table.migration(*id);
            destination.group = Some(group.name.to_string());
            destination.group_at = Some(report::place(&group.position));
            destination.stage = Some(group.stage.as_str().into());
        }
        Action::Respond(fixed) => destination.status = Some(fixed.status.as_u16()),
        Action::Redirect(redirect) => {
            destination.status = Some(redirect.status.as_u16());
            destination.location = Some(redirect.location(params, query));
        }
    }
    destination
}

impl Report {
    fn refused(mut self, failure: &Failure) -> Self {
        self.refused = Some(Refused::of(failure));
        self
    }

    /// Lists the rows that came into question.
    fn list(&mut self, table: &Table, explanation: &Explanation) {
        let candidates = explanation.candidates.iter();
        self.candidates = candidates
            .map(|candidate| {
                let route = table.route(candidate.id);
                let (verdict, reason) = match &candidate.verdict {
                    Verdict::Takes => (report::Verdict::Takes, None),
                    Verdict::Later => (report::Verdict::Later, None),
                    Verdict::Fails(reason) => (report::Verdict::Fails, Some(reason.clone())),
                };
                Candidate {
                    route: route.name.to_string(),
                    at: report::place(&route.position),
                    verdict,
                    reason,
                }
            })
            .collect();
        self.omitted = explanation.omitted;
        let miss = explanation.nearest_miss.as_ref();
        self.nearest_miss = miss.map(ToString::to_string);
    }
}
