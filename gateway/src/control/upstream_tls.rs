//! Follows the PEM files of upstreams, so that a renewed authority or client certificate is used
//! without a restart.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use route_table::table::UpstreamTls;

use crate::control::{Fingerprint, supervised};
use crate::defaults::CERTIFICATE_POLL;
use crate::upstream::UpstreamState;

/// Starts following the files that an upstream names.
pub(super) fn follow(upstream: &Arc<UpstreamState>) {
    let files = files(&upstream.config.tls);
    if files.is_empty() {
        return;
    }
    // Taken when the upstream read them, or a moment later: an edit in between is read twice, at worst.
    let read = fingerprints(&files);
    let weak = Arc::downgrade(upstream);
    drop(supervised("upstream TLS", move || {
        look_regularly(Weak::clone(&weak), files.clone(), read.clone())
    }));
}

async fn look_regularly(
    upstream: Weak<UpstreamState>,
    files: Vec<PathBuf>,
    mut read: Vec<Fingerprint>,
) {
    let mut ticks = tokio::time::interval(CERTIFICATE_POLL);
    loop {
        ticks.tick().await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let current = fingerprints(&files);
        // Files that do not fit together yet are complained about once, and read again when the
        // missing one comes.
        if current != read && upstream.load_tls() {
            tracing::info!(upstream = %upstream.config.name, "TLS files replaced");
        }
        read = current;
    }
}

fn files(tls: &UpstreamTls) -> Vec<PathBuf> {
    let client = tls.client.iter();
    let client = client.flat_map(|files| [files.cert.clone(), files.key.clone()]);
    tls.ca.iter().cloned().chain(client).collect()
}

fn fingerprints(files: &[PathBuf]) -> Vec<Fingerprint> {
    files.iter().map(|path| Fingerprint::of(path)).collect()
}
