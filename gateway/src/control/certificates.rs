//! Follows certificate files, so that a renewed certificate is served without a restart.

use std::sync::Arc;

use crate::defaults::CERTIFICATE_POLL;
use crate::listener::Certificates;

/// Looks at the files of all listeners for ever. An error is logged when it appears or changes, not
/// at every look.
pub(crate) async fn follow_certificates(all: Vec<Arc<Certificates>>) {
    let mut complaints = vec![None; all.len()];
    let mut ticks = tokio::time::interval(CERTIFICATE_POLL);
    loop {
        ticks.tick().await;
        for (certificates, complaint) in all.iter().zip(&mut complaints) {
            let cert = certificates.files().cert.display();
            match certificates.reload() {
                Ok(changed) => {
                    *complaint = None;
                    if changed {
                        tracing::info!(%cert, "certificate replaced");
                    }
                }
                Err(error) => {
                    let text = Some(error.to_string());
                    if *complaint != text {
                        tracing::error!(%error, "certificate not replaced; the last one serves on");
                        *complaint = text;
                    }
                }
            }
        }
    }
}
