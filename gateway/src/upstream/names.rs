//! Addresses of the names among an upstream's endpoints.
//!
//! The control thread looks names up and publishes what it found; a connect reads it. Only the first
//! connects after the start can come before the first answer: they wait for it within their own limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

/// The addresses of a name, or why there are none.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

/// What is known of an upstream's names. Shared by all workers, written by the control thread.
#[derive(Debug, Default)]
pub(crate) struct Names {
    answers: watch::Sender<HashMap<Arc<str>, Answer>>,
}

impl Names {
    /// The addresses of `name`, as soon as anything is known of it.
    pub(crate) async fn addresses(&self, name: &str) -> Answer {
        let mut answers = self.answers.subscribe();
        let known = answers.wait_for(|known| known.contains_key(name)).await;
        match known {
            Ok(known) => known.get(name).cloned(),
            Err(_) => None,
        }
        .unwrap_or_else(|| Err("nobody looks this name up".into()))
    }

    /// Takes a new answer. An error does not replace addresses: stale ones serve better than none.
    /// Returns whether anything changed.
    pub(crate) fn publish(&self, name: &Arc<str>, answer: Answer) -> bool {
        self.answers.send_if_modified(|known| {
            let same = known
                .get(name)
                .is_some_and(|before| match (&answer, before) {
                    (Ok(now), Ok(before)) => now == before,
                    (Err(_), Ok(_)) => true,
                    (now, before) => now == before,
                });
            if !same {
                known.insert(Arc::clone(name), answer);
            }
            !same
        })
    }

    /// Forgets the names that no endpoint has any more.
    pub(crate) fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.answers.send_if_modified(|known| {
            let before = known.len();
            known.retain(|name, _| wanted(name));
            known.len() != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> Answer {
        Ok([address.parse().expect("an address")].into())
    }

    #[tokio::test]
    async fn a_connect_waits_for_the_first_answer() {
        let names = Arc::new(Names::default());
        let waiting = tokio::spawn({
            let names = Arc::clone(&names);
            async move { names.addresses("shop.test").await }
        });
        names.publish(&"other.test".into(), found("10.0.0.9"));
        names.publish(&"shop.test".into(), found("10.0.0.1"));
        assert_eq!(waiting.await.expect("no panic"), found("10.0.0.1"));
    }

    #[tokio::test]
    async fn a_failed_lookup_leaves_the_old_addresses() {
        let names = Names::default();
        let name: Arc<str> = "shop.test".into();
        assert!(names.publish(&name, Err("timed out".into())));
        assert!(names.addresses(&name).await.is_err());
        assert!(names.publish(&name, found("10.0.0.1")));
        assert!(!names.publish(&name, Err("timed out".into())));
        assert_eq!(names.addresses(&name).await, found("10.0.0.1"));
    }

    #[test]
    fn names_that_nobody_wants_are_forgotten() {
        let names = Names::default();
        names.publish(&"a.test".into(), found("10.0.0.1"));
        names.publish(&"b.test".into(), found("10.0.0.2"));
        names.retain(|name| name == "b.test");
        let known = names.answers.borrow();
        assert_eq!(
            known.keys().map(|name| &**name).collect::<Vec<_>>(),
            ["b.test"]
        );
    }
}
