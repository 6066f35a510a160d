//! The portal's menu: capabilities, each with the address that serves it now.
//!
//! The gateway knows who serves what. It is asked at most once a second; while it does not answer, the
//! last known menu stays, marked as old.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Client;
use composition::{BaseUrl, Budget, Part, Policy};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::BUDGET;

/// How long a menu is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long the gateway may take to answer.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Stages in which the new service, and not the monolith, is what people are sent to.
const MOVED_STAGES: [&str; 2] = ["service", "retired"];

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability {
    /// The group of the route table.
    pub(crate) group: String,
    pub(crate) title: String,
    pub(crate) uri: String,
    /// Whether the new service serves it, or still the monolith.
    pub(crate) moved: bool,
}

/// What the portal shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) capabilities: Arc<[Capability]>,
    /// The gateway did not answer: this is how it was.
    pub(crate) stale: bool,
}

/// The menu, followed. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Menu {
    client: Client,
    url: Arc<str>,
    known: Arc<Mutex<Cached>>,
}

#[derive(Debug, Default)]
struct Cached {
    asked: Option<Instant>,
    known: Known,
}

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<Migration>,
}

#[derive(Debug, Deserialize)]
struct Migration {
    group: String,
    stage: String,
    portal: Option<Portal>,
}

#[derive(Debug, Deserialize)]
struct Portal {
    title: String,
    monolith: String,
    service: String,
}

impl Menu {
    pub(crate) fn new(admin: &BaseUrl) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::new()?,
            url: format!("{admin}/migrations").into(),
            known: Arc::default(),
        })
    }

    /// The menu as it is now. Those who ask at the same moment share one question.
    pub(crate) async fn current(&self) -> Known {
        let mut cached = self.known.lock().await;
        if cached.asked.is_none_or(|asked| asked.elapsed() >= FRESH) {
            match self.ask().await {
                Some(capabilities) => {
                    cached.known = Known {
                        capabilities,
                        stale: false,
                    };
                }
                None => cached.known.stale = true,
            }
            cached.asked = Some(Instant::now());
        }
        cached.known.clone()
    }

    async fn ask(&self) -> Option<Arc<[Capability]>> {
        let policy = Policy::optional().within(TIMEOUT);
        let answer = Part::<Answer>::new("menu", policy, Budget::of_request(BUDGET))
            .fetch(self.client.get(&*self.url))
            .await
            .into_value()
            .ok()??;
        Some(answer.items.into_iter().filter_map(capability).collect())
    }
}

/// A group without a menu entry has no page of its own.
fn capability(migration: Migration) -> Option<Capability> {
    let portal = migration.portal?;
    let moved = MOVED_STAGES.contains(&migration.stage.as_str());
    let uri = if moved {
        portal.service
    } else {
        portal.monolith
    };
    Some(Capability {
        group: migration.group,
        title: portal.title,
        uri,
        moved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn entry(stage: &str) -> Capability {
        let portal = Portal {
            title: "Orders".to_owned(),
            monolith: "/old/orders".to_owned(),
            service: "/orders".to_owned(),
        };
        let migration = Migration {
            group: "orders".to_owned(),
            stage: stage.to_owned(),
            portal: Some(portal),
        };
        capability(migration).expect("it has an entry")
    }

    #[test]
    fn people_are_sent_to_the_monolith_until_the_group_has_moved() {
        for stage in ["monolith", "shadow", "canary 5%", "a stage of the future"] {
            assert_eq!(entry(stage).uri, "/old/orders", "{stage}");
            assert!(!entry(stage).moved, "{stage}");
        }
        for stage in ["service", "retired"] {
            assert_eq!(entry(stage).uri, "/orders", "{stage}");
            assert!(entry(stage).moved, "{stage}");
        }
    }
}
