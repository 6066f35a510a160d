//! Follows certificate files, so that a renewed certificate is served without a restart.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::defaults::CERTIFICATE_POLL;
use crate::lifecycle::Listeners;

/// Looks at the files of all listeners for ever. An error is logged when it appears or changes, not
/// at every look.
pub(crate) async fn follow_certificates(listeners: Arc<Listeners>) {
    let mut complaints: HashMap<PathBuf, String> = HashMap::new();
    let mut ticks = tokio::time::interval(CERTIFICATE_POLL);
    loop {
        ticks.tick().await;
        for certificates in listeners.certificates() {
            let path = &certificates.files().cert;
            match certificates.reload() {
                Ok(changed) => {
                    complaints.remove(path);
                    if changed {
                        tracing::info!(cert = %path.display(), "certificate replaced");
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    if complaints.get(path) != Some(&text) {
                        tracing::error!(%error, "certificate not replaced; the last one serves on");
                        complaints.insert(path.clone(), text);
                    }
                }
            }
        }
    }
}
