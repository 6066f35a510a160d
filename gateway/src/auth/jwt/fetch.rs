//! The control-plane task that keeps one provider's keys fresh.
//!
//! It fetches at once, then every ten minutes, sooner when a token names an unknown key, and with
//! growing pauses while the issuer fails. The last good keys serve in the meantime, for as long as the
//! provider's `stale_keys` allows; [`super::schedule`] decides.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use http::header::ACCEPT;
use tokio::time::{Instant, sleep};

use super::authenticator::{Authenticator, Keys, Signals};
use super::disk::KeyCopy;
use super::jwks::{KeySet, KeySetError};
use super::schedule::Schedule;

/// From the request to the last byte of the key set.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a key set; common ones have a few thousand.
const KEY_SET_BYTES_MAX: usize = 1024 * 1024;

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the issuer could not be asked")]
    Http(#[from] reqwest::Error),
    #[error("the issuer answered {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {KEY_SET_BYTES_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

/// Makes the client that fetches key sets. It follows no redirect: keys come from where the table says.
pub(in crate::auth) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(FETCH_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Runs until the authenticator is dropped.
pub(super) async fn refresh(
    authenticator: Weak<Authenticator>,
    signals: Arc<Signals>,
    client: reqwest::Client,
    copy: KeyCopy,
) {
    let Some((uri, mut schedule)) = authenticator.upgrade().map(|authenticator| {
        let rules = authenticator.rules();
        let schedule = Schedule::new(rules.stale_keys, authenticator.keys().fetched_at);
        (Arc::clone(&rules.jwks_uri), schedule)
    }) else {
        return;
    };
    let mut known = Vec::new();
    loop {
        signals.running.store(true, Ordering::Release);
        // Not held while fetching: a provider that was edited away goes at once.
        let outcome = fetch(&client, &uri).await;
        let Some(authenticator) = authenticator.upgrade() else {
            return;
        };
        let fetched = outcome.is_ok();
        let pause = take_over(&authenticator, outcome, &mut known, &mut schedule);
        drop(authenticator);
        signals.running.store(false, Ordering::Release);
        signals.ended.send_modify(|count| *count += 1);
        if fetched {
            copy.write(known.clone()).await;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = signals.wanted.notified() => {}
        }
    }
}

async fn fetch(client: &reqwest::Client, uri: &str) -> Result<(Vec<u8>, KeySet), FetchError> {
    let mut response = client
        .get(uri)
        .header(ACCEPT, "application/json")
        .send()
        .await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > KEY_SET_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let keys = KeySet::parse(&body)?;
    Ok((body.into(), keys))
}

/// Publishes what a fetch brought and returns the pause before the next one.
fn take_over(
    authenticator: &Authenticator,
    outcome: Result<(Vec<u8>, KeySet), FetchError>,
    known: &mut Vec<u8>,
    schedule: &mut Schedule,
) -> Duration {
    let provider = &authenticator.provider().name;
    let now = Instant::now();
    let keys = authenticator.keys();
    match outcome {
        Ok((json, set)) => {
            if let Some(metrics) = authenticator.metrics() {
                metrics.jwks_fetched(provider, set.len());
            }
            // The same keys keep their generation, and with it the tokens that they have verified.
            let changed = json != *known;
            if changed {
                tracing::info!(%provider, keys = set.len(), "keys replaced");
                *known = json;
            }
            authenticator.publish(Keys {
                generation: keys.generation + u64::from(changed),
                serving: true,
                set: if changed {
                    Arc::new(set)
                } else {
                    Arc::clone(&keys.set)
                },
                fetched_at: Some(now),
            });
            schedule.succeeded(now, fastrand::f64())
        }
        Err(error) => {
            if let Some(metrics) = authenticator.metrics() {
                metrics.jwks_failed(provider);
            }
            let serving = schedule.keys_serve(now);
            tracing::warn!(%provider, error = &error as &dyn std::error::Error, serving, "keys not fetched");
            if keys.serving != serving {
                authenticator.publish(Keys {
                    serving,
                    ..Keys::clone(&keys)
                });
            }
            schedule.failed(now, fastrand::f64())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::AtomicU64;

    use axum::Router;
    use axum::routing::get;
    use parking_lot::Mutex;
    use route_table::table::{Provider, ProviderKind};
    use tokio::net::TcpListener;
    use tokio::runtime::Handle;
    use tokio::time::timeout;

    use super::*;
    use crate::auth::jwt::disk::KeyCopies;
    use crate::auth::jwt::test_issuer::{ISSUER, Issuer, KeyKind, NOW};
    use crate::auth::refused::Reason;
    use crate::auth::test_provider;
    use crate::telemetry::Metrics;

    /// An issuer's key set on loopback that can be changed and counts its readers.
    struct Server {
        answer: Arc<Mutex<(StatusCode, String)>>,
        fetches: Arc<AtomicU64>,
        uri: String,
    }

    impl Server {
        async fn start(status: StatusCode, body: String) -> Self {
            let answer = Arc::new(Mutex::new((status, body)));
            let fetches = Arc::new(AtomicU64::new(0));
            let (answers, counter) = (Arc::clone(&answer), Arc::clone(&fetches));
            let route = get(move || async move {
                counter.fetch_add(1, Ordering::SeqCst);
                answers.lock().clone()
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri = format!("http://{}/jwks", listener.local_addr().unwrap());
            let app = Router::new().route("/jwks", route);
            tokio::spawn(async move { axum::serve(listener, app).await });
            Self {
                answer,
                fetches,
                uri,
            }
        }

        fn fetches(&self) -> u64 {
            self.fetches.load(Ordering::SeqCst)
        }

        fn provider(&self) -> Provider {
            test_provider::of_tokens("shop", ISSUER, &self.uri)
        }

        fn authenticator(&self) -> Arc<Authenticator> {
            self.authenticator_with(&KeyCopies::default())
        }

        fn authenticator_with(&self, copies: &KeyCopies) -> Arc<Authenticator> {
            started(&self.provider(), None, copies)
        }
    }

    fn started(
        provider: &Provider,
        previous: Option<&Authenticator>,
        copies: &KeyCopies,
    ) -> Arc<Authenticator> {
        let rules = provider.kind.jwt().unwrap();
        let authenticator = Arc::new(Authenticator::new(provider, rules, previous));
        authenticator.report_to(&Metrics::new());
        authenticator.start_refreshing(&Handle::current(), &client().unwrap(), copies);
        authenticator
    }

    async fn within_deadline<F: Future>(future: F) -> F::Output {
        timeout(Duration::from_secs(10), future)
            .await
            .expect("a result within ten seconds")
    }

    #[tokio::test]
    async fn the_first_request_waits_for_the_first_fetch() {
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let authenticator = server.authenticator();
        let token = issuer.token();
        let verified = within_deadline(authenticator.verify_or_refetch(&token, NOW)).await;
        assert_eq!(verified.unwrap().claims["sub"], "user-42");
    }

    #[tokio::test]
    async fn an_issuer_that_fails_makes_keys_unavailable_not_tokens_invalid() {
        let issuer = Issuer::new(KeyKind::P256, "a");
        for (status, body) in [
            (StatusCode::INTERNAL_SERVER_ERROR, issuer.jwks()),
            (StatusCode::FOUND, issuer.jwks()),
            (StatusCode::OK, "<html>".to_owned()),
            (StatusCode::OK, " ".repeat(KEY_SET_BYTES_MAX + 1)),
        ] {
            let server = Server::start(status, body).await;
            let authenticator = server.authenticator();
            let token = issuer.token();
            let verdict = within_deadline(authenticator.verify_or_refetch(&token, NOW)).await;
            assert_eq!(verdict.err(), Some(Reason::KeysUnavailable), "{status}");
        }
    }

    #[tokio::test]
    async fn a_rotated_key_is_fetched_when_its_first_token_comes_and_no_more_often() {
        let (old, new) = (
            Issuer::new(KeyKind::P256, "old"),
            Issuer::new(KeyKind::P256, "new"),
        );
        let server = Server::start(StatusCode::OK, old.jwks()).await;
        let authenticator = server.authenticator();
        within_deadline(authenticator.verify_or_refetch(&old.token(), NOW))
            .await
            .unwrap();

        server.answer.lock().1 = new.jwks();
        within_deadline(authenticator.verify_or_refetch(&new.token(), NOW))
            .await
            .unwrap();
        assert_eq!(server.fetches(), 2);
        let old_again = within_deadline(authenticator.verify_or_refetch(&old.token(), NOW)).await;
        assert_eq!(
            old_again.err(),
            Some(Reason::UnknownKey),
            "the cache is for the old keys"
        );

        for attempt in 0..20 {
            let forged = Issuer::new(KeyKind::P256, &format!("forged-{attempt}")).token();
            let verdict = within_deadline(authenticator.verify_or_refetch(&forged, NOW)).await;
            assert_eq!(verdict.err(), Some(Reason::UnknownKey));
        }
        assert_eq!(
            server.fetches(),
            2,
            "unknown keys are looked up once per cool-down"
        );
    }

    #[tokio::test]
    async fn good_keys_serve_on_while_the_issuer_fails() {
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let authenticator = server.authenticator();
        within_deadline(authenticator.verify_or_refetch(&issuer.token(), NOW))
            .await
            .unwrap();
        server.answer.lock().0 = StatusCode::BAD_GATEWAY;
        let unknown = Issuer::new(KeyKind::P256, "unknown").token();
        let verdict = within_deadline(authenticator.verify_or_refetch(&unknown, NOW)).await;
        assert_eq!(verdict.err(), Some(Reason::UnknownKey));
        assert_eq!(server.fetches(), 2);
        assert!(authenticator.verify(&issuer.token(), NOW).is_ok());
    }

    /// The clock stands still but for what the test and the waiting tasks pass of it.
    #[tokio::test]
    async fn keys_serve_through_an_outage_for_as_long_as_the_table_says_and_come_back_after() {
        const MINUTE: Duration = Duration::from_secs(60);
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let authenticator = server.authenticator();
        within_deadline(authenticator.verify_or_refetch(&issuer.token(), NOW))
            .await
            .unwrap();
        server.answer.lock().0 = StatusCode::BAD_GATEWAY;
        tokio::time::pause();
        let fetched = Instant::now();
        let stale = authenticator.rules().stale_keys;
        assert_eq!(stale, 60 * MINUTE);
        // Fresh for ten minutes, then an hour more.
        while fetched.elapsed() < 69 * MINUTE {
            let verdict = authenticator.verify(&issuer.token(), NOW);
            assert!(verdict.is_ok(), "after {:?}", fetched.elapsed());
            sleep(MINUTE).await;
        }
        let tries = server.fetches();
        assert!((30..200).contains(&tries), "{tries} fetches in an hour");
        sleep(3 * MINUTE).await;
        let verdict = authenticator.verify(&issuer.token(), NOW);
        assert_eq!(verdict.err(), Some(Reason::KeysUnavailable));

        server.answer.lock().0 = StatusCode::OK;
        sleep(2 * MINUTE).await;
        assert!(authenticator.verify(&issuer.token(), NOW).is_ok());
    }

    #[tokio::test]
    async fn keys_go_on_when_only_a_rule_of_the_provider_changes() {
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let old = server.authenticator();
        within_deadline(old.verify_or_refetch(&issuer.token(), NOW))
            .await
            .unwrap();
        let mut edited = server.provider();
        if let ProviderKind::Jwt(rules) = &mut edited.kind {
            rules.audiences.push("partners".into());
        }
        let new = started(&edited, Some(&old), &KeyCopies::default());
        assert!(new.verify(&issuer.token(), NOW).is_ok());
    }

    #[tokio::test]
    async fn a_start_while_the_issuer_is_away_serves_by_the_copy_of_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let copies = KeyCopies::below(folder.path());
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let first = server.authenticator_with(&copies);
        within_deadline(first.verify_or_refetch(&issuer.token(), NOW))
            .await
            .unwrap();
        within_deadline(async {
            while copies.of(&server.uri.as_str().into()).read().is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        server.answer.lock().0 = StatusCode::BAD_GATEWAY;
        let second = server.authenticator_with(&copies);
        assert!(second.verify(&issuer.token(), NOW).is_ok());
        let forged = Issuer::new(KeyKind::P256, "a").token();
        assert_eq!(second.verify(&forged, NOW).err(), Some(Reason::Signature));
    }

    #[tokio::test]
    async fn the_task_ends_with_its_authenticator() {
        let issuer = Issuer::new(KeyKind::P256, "a");
        let server = Server::start(StatusCode::OK, issuer.jwks()).await;
        let authenticator = server.authenticator();
        within_deadline(authenticator.verify_or_refetch(&issuer.token(), NOW))
            .await
            .unwrap();
        let handle = authenticator.refresh_handle().unwrap();
        drop(authenticator);
        within_deadline(async {
            while !handle.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
