//! Which side of a migration serves a request: the monolith or the new service.
//!
//! A group of URIs that share written data moves as one. Under manual advance the stage written in
//! `routes.yaml` is the decision: the edit *is* the switch, and lowering it is the way back.
//!
//! **Architecture invariant:** the decision is a pure function of the table and the request.

use route_table::table::{Migration, Stage, UpstreamId};

/// The upstream that serves this group now.
pub(crate) fn serving_upstream(migration: &Migration) -> UpstreamId {
    match migration.stage {
        Stage::Monolith => migration.from,
        Stage::Service => migration.to,
    }
}
