//! The metric families of what the gateway does to answers.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::families::Registering;
use super::labels::{EncodingLabel, EncodingSideLabels, RouteResultLabels};

/// CORS and compression.
pub(super) struct AnswerFamilies {
    pub(super) preflights: Family<RouteResultLabels, Counter>,
    pub(super) compressing: Gauge,
    pub(super) compressed: Family<EncodingLabel, Counter>,
    pub(super) compressed_bytes: Family<EncodingSideLabels, Counter>,
}

impl AnswerFamilies {
    pub(super) fn register(new: &mut Registering) -> Self {
        Self {
            preflights: new.add("cors_preflights", "Preflights answered, by result"),
            compressing: new.add("answers_compressing", "Answers that are being compressed"),
            compressed: new.add("compressed_answers", "Answers compressed, by coding"),
            compressed_bytes: new.add(
                "compressed_bytes",
                "Bytes of compressed answers, before and after",
            ),
        }
    }
}
