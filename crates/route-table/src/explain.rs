//! Which row takes a request, and what every other one that came into question lacked.
//!
//! The rows are visited by the very search that serves requests, in its order.

use crate::matcher::{Captures, RequestFacts, Tree, first_failure};
use crate::nearest_miss::{NearestMiss, describe_failure};
use crate::table::{HostPattern, RouteId, Table};

/// Rows that are listed: more would be read by nobody.
const CANDIDATES_MAX: usize = 50;

/// Hosts that are looked through for rows of the same path.
const HOSTS_MAX: usize = 1_000;

/// What a table makes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub taken: Option<RouteId>,
    /// Rows whose path takes the request's, in the order in which they are tried; then those of other
    /// hosts.
    pub candidates: Vec<Candidate>,
    /// Further ones that are not listed.
    pub omitted: usize,
    /// Where no row takes it: the one that came closest.
    pub nearest_miss: Option<NearestMiss>,
}

/// One row that came into question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: RouteId,
    pub verdict: Verdict,
}

/// Why a row does or does not take a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Takes,
    /// The first condition that is not met, for a person.
    Fails(String),
    /// It would, but for a better row.
    Later,
}

impl Table {
    /// Explains what becomes of a request. [`Explanation::taken`] is always the row that
    /// [`Table::find`] finds.
    #[must_use]
    pub fn explain(&self, request: &RequestFacts<'_>) -> Explanation {
        let mut explanation = Explanation {
            taken: None,
            candidates: Vec::new(),
            omitted: 0,
            nearest_miss: None,
        };
        for tree in self.matcher.trees_for(request.host) {
            self.visit(tree, request, |id| {
                let verdict = match first_failure(&self.route(id).matches, request) {
                    Some(failed) => {
                        Verdict::Fails(describe_failure(&failed, self.route(id), request))
                    }
                    None if explanation.taken.is_some() => Verdict::Later,
                    None => {
                        explanation.taken = Some(id);
                        Verdict::Takes
                    }
                };
                explanation.add(Candidate { id, verdict });
            });
        }
        for tree in self.matcher.trees_not_for(request.host).take(HOSTS_MAX) {
            self.visit(tree, request, |id| {
                let wanted = match &self.route(id).matches.host {
                    HostPattern::Any => return,
                    HostPattern::Suffix(suffix) => format!("*{suffix}"),
                    HostPattern::Exact(host) => host.to_string(),
                };
                let host = request.host;
                let reason = format!("host is `{host}`, the route takes `{wanted}`");
                let verdict = Verdict::Fails(reason);
                explanation.add(Candidate { id, verdict });
            });
        }
        if explanation.taken.is_none() {
            explanation.nearest_miss = self.nearest_miss(request);
        }
        explanation
    }

    /// Visits the rows of a tree whose path takes the request's, best first.
    fn visit(&self, tree: &Tree, request: &RequestFacts<'_>, see: impl FnMut(RouteId)) {
        let see = std::cell::RefCell::new(see);
        let refuse_all = |id| {
            (see.borrow_mut())(id);
            false
        };
        tree.find(
            request.path,
            &self.routes,
            &refuse_all,
            &mut Captures::new(),
        );
    }
}

impl Explanation {
    /// The row that takes it is listed in any case.
    fn add(&mut self, candidate: Candidate) {
        if self.candidates.len() < CANDIDATES_MAX || candidate.verdict == Verdict::Takes {
            self.candidates.push(candidate);
        } else {
            self.omitted += 1;
        }
    }
}
