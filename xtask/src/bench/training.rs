//! Loads from which a compiler learns what is hot.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::bench::lab::Lab;
use crate::bench::options::{Bench, Options};
use crate::bench::{edge, h2, tls};
use crate::interrupt::interruptible;

/// Seconds of each load.
const SECONDS: u32 = 4;

/// For connections to end and the profile to be written.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// Puts the benches' loads on `gateway`, one after the other: plain, the full edge, TLS, HTTP/2. Each is
/// then asked to end, so that it writes down what it has learnt.
///
/// # Errors
/// When a program is missing, or a request fails.
pub(crate) fn train(root: &Path, gateway: &Path) -> anyhow::Result<()> {
    let options = Options {
        bench: Bench::All,
        seconds: SECONDS,
        rounds: 1,
        gateway: Some(gateway.to_owned()),
        all_peers: false,
        write: false,
    };
    interruptible(async {
        let lab = Lab::open(root, &options).await?;
        let loads = [
            lab.plain_gateway().await?,
            edge::own(&lab).await?,
            tls::contestant(&lab, "TLS", tls::gateway(&lab).await?),
            h2::contestant(&lab, "HTTP/2", tls::gateway(&lab).await?),
        ];
        for mut load in loads {
            let seen = load.client.run(SECONDS).await?;
            anyhow::ensure!(seen.failed == 0, "{} requests failed", seen.failed);
            load.server.signal(Signal::TERM)?;
            load.server.ended(END_TIMEOUT).await?;
        }
        Ok(())
    })
}
