//! `maintenance:` of a route and of the whole table.

use std::sync::Arc;

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::Maintenance;
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::listeners::networks;

/// `true`, `false`, or a mapping. What says nothing leaves it at `otherwise`.
pub(super) fn read(
    decoder: &mut Decoder<'_>,
    node: Option<&Node>,
    otherwise: Option<&Arc<Maintenance>>,
) -> Option<Arc<Maintenance>> {
    let Some(node) = node else {
        return otherwise.map(Arc::clone);
    };
    let mut maintenance = Maintenance {
        retry_after: defaults::MAINTENANCE_RETRY_AFTER,
        except: Vec::new(),
    };
    if let Value::Scalar(_) = node.value {
        let is_on = decoder.boolean(node, "maintenance")?;
        return is_on.then(|| Arc::new(maintenance));
    }
    let mut fields = Fields::of(decoder, node, "`maintenance`")?;
    let retry_after = fields.take("retry_after");
    maintenance.retry_after = decoder.duration(retry_after, "retry_after", maintenance.retry_after);
    if let Some(node) = fields.take("except") {
        maintenance.except = networks(decoder, node, "except");
    }
    fields.finish(decoder);
    Some(Arc::new(maintenance))
}
