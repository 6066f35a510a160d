//! Placing and cancelling an order: the steps, their sequence, and what a failed step leads to.
//!
//! What is decided is written down before it is done elsewhere, so that whatever fails, or whenever
//! this process dies, [`Orders::sweep`] can finish from what is on disk.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::catalog::{Catalog, CatalogError};
use crate::domain::{CancelError, Order, Priced, PricingError, Request};
use crate::http::answer;
use crate::idempotency::{Answer, Claim, RETENTION};
use crate::inventory::{CallError, Inventory, RefusalCode, ReserveError};
use crate::store::{Begun, Draft, Recall, Store};

/// Rows one round of the sweep looks at in each of its steps.
const SWEEP_ROWS_MAX: u32 = 100;

/// The orders, and the services that fulfil them.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) inventory: Inventory,
    /// How long an order may be pending before the sweep gives it up.
    pub(crate) pending_timeout: SignedDuration,
    /// Wakes the sweep when there is stock to give back.
    pub(crate) release_due: Arc<Notify>,
}

/// Says why an order was not placed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("the same request is being answered right now")]
    InProgress,
    #[error("the key came with another request before")]
    KeyReused,
    #[error(transparent)]
    Pricing(#[from] PricingError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Inventory(#[from] CallError),
    #[error("the sweep gave the order up before it was approved")]
    GivenUp,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Says why an order was not cancelled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelFailure {
    #[error("no such order")]
    NotFound,
    #[error("refused: {0:?}")]
    Refused(CancelError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Orders {
    /// Places an order: recall → price → write down → reserve → approve.
    ///
    /// Run it in a task of its own: a client that hangs up must not stop it halfway.
    pub(crate) async fn place(&self, claim: Claim, request: Request) -> Result<Answer, PlaceError> {
        // An answer that was given once is given again without asking anybody.
        if let Some(recall) = self.store.recall(&claim).await? {
            return recalled(recall);
        }
        // Nothing is written before the price is known: a failure here leaves no trace.
        let priced = self.price(&request).await?;
        // From here on the order exists, and its key is taken. Of twins that came together, one wins.
        let order = match self.store.begin(&claim, draft(&request, priced)).await? {
            Begun::Order(order) => order,
            Begun::Known(recall) => return recalled(recall),
        };
        match self.inventory.reserve(&order).await {
            Ok(()) => self.approve(&order).await,
            Err(ReserveError::Refused { code, skus }) => self.refuse(&order, code, &skus).await,
            Err(ReserveError::Unknown(error)) => self.abandon(&order, error).await,
        }
    }

    async fn price(&self, request: &Request) -> Result<Priced, PlaceError> {
        let products = self.catalog.products(&request.lines).await?;
        Ok(request.price(products)?)
    }

    async fn approve(&self, order: &Order) -> Result<Answer, PlaceError> {
        let approved = order.approved().ok_or(PlaceError::GivenUp)?;
        self.decide(&approved, answer::created(&approved)).await
    }

    /// Inventory has refused, so that it holds nothing: a decision, and kept as the answer.
    async fn refuse(
        &self,
        order: &Order,
        code: RefusalCode,
        skus: &[String],
    ) -> Result<Answer, PlaceError> {
        let rejected = order.rejected().ok_or(PlaceError::GivenUp)?;
        self.decide(&rejected, answer::refused(code, skus)).await
    }

    async fn decide(&self, after: &Order, answer: Answer) -> Result<Answer, PlaceError> {
        if self.store.decide(after, &answer).await? {
            Ok(answer)
        } else {
            Err(PlaceError::GivenUp)
        }
    }

    /// Nobody knows whether inventory holds the stock: reject the order, and have the stock given
    /// back by the sweep, as soon as inventory answers again.
    async fn abandon(&self, order: &Order, error: CallError) -> Result<Answer, PlaceError> {
        let rejected = order.rejected().ok_or(PlaceError::GivenUp)?;
        self.store.abandon(&rejected).await?;
        self.release_due.notify_one();
        Err(error.into())
    }

    /// Cancels an approved order and gives its stock back.
    pub(crate) async fn cancel(&self, id: i64, seen_version: i64) -> Result<Order, CancelFailure> {
        let order = self.store.get(id).await?.ok_or(CancelFailure::NotFound)?;
        let cancelled = order
            .cancelled(seen_version)
            .map_err(CancelFailure::Refused)?;
        if !self.store.cancel(&cancelled).await? {
            let current = self
                .store
                .get(id)
                .await?
                .ok_or(CancelFailure::NotFound)?
                .version;
            return Err(CancelFailure::Refused(CancelError::Stale { current }));
        }
        // Cancelled it is, whatever inventory says now; if it does not answer, the sweep asks again.
        if let Err(error) = self.release(id, cancelled.reservation).await {
            tracing::warn!(%error, order = id, "the stock of a cancelled order is still held");
        }
        Ok(cancelled)
    }

    async fn release(&self, order_id: i64, reservation: Uuid) -> Result<(), ReleaseError> {
        self.inventory.release(reservation).await?;
        Ok(self.store.released(order_id).await?)
    }

    /// One round of clearing up what requests have left.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), sqlx::Error> {
        self.give_up_pending(now - self.pending_timeout).await?;
        self.give_stock_back().await?;
        self.forget_answers(now - RETENTION).await
    }

    /// Rejects orders that stayed pending: the process that placed them died on the way.
    async fn give_up_pending(&self, placed_before: Timestamp) -> Result<(), sqlx::Error> {
        let pending = self
            .store
            .pending_since_before(placed_before, SWEEP_ROWS_MAX)
            .await?;
        for order in pending {
            let Some(rejected) = order.rejected() else {
                continue;
            };
            if self.store.abandon(&rejected).await? {
                tracing::warn!(order = order.id, "gave up an order that stayed pending");
            }
        }
        Ok(())
    }

    /// Releases what orders hold that are rejected or cancelled.
    async fn give_stock_back(&self) -> Result<(), sqlx::Error> {
        let due = self.store.releases_due(SWEEP_ROWS_MAX).await?;
        let all = due.len();
        let mut given_back = 0;
        for (order, reservation) in due {
            match self.release(order, reservation).await {
                Ok(()) => given_back += 1,
                // One that inventory cannot release must not keep the others waiting …
                Err(ReleaseError::Inventory(error @ CallError::Status(_))) => {
                    tracing::error!(%error, order, "inventory does not release the stock");
                }
                // … but when nobody answers, the next round is soon enough.
                Err(ReleaseError::Inventory(error)) => {
                    tracing::warn!(%error, order, "the stock of an order is still held");
                    return Ok(());
                }
                Err(ReleaseError::Database(error)) => return Err(error),
            }
        }
        if given_back > 0 {
            tracing::info!(orders = given_back, "gave stock back");
        }
        if given_back == all && all == SWEEP_ROWS_MAX as usize {
            // There is probably more, and inventory is well: go on at once.
            self.release_due.notify_one();
        }
        Ok(())
    }

    /// Forgets old answers, a few at a time, so that orders are not kept waiting.
    async fn forget_answers(&self, before: Timestamp) -> Result<(), sqlx::Error> {
        let batch = u64::from(SWEEP_ROWS_MAX);
        while self
            .store
            .forget_answers_before(before, SWEEP_ROWS_MAX)
            .await?
            == batch
        {}
        Ok(())
    }
}

/// Says why stock is still held.
#[derive(Debug, thiserror::Error)]
enum ReleaseError {
    #[error(transparent)]
    Inventory(#[from] CallError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn recalled(recall: Recall) -> Result<Answer, PlaceError> {
    match recall {
        Recall::Answered(answer) => Ok(answer),
        Recall::Running => Err(PlaceError::InProgress),
        Recall::Reused => Err(PlaceError::KeyReused),
    }
}

fn draft(request: &Request, priced: Priced) -> Draft {
    let now = Timestamp::now();
    // Whole seconds, as they are stored and shown.
    let placed_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Draft {
        customer_id: request.customer_id,
        placed_at,
        reservation: Uuid::new_v4(),
        priced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RequestLine;
    use crate::domain::Status;
    use crate::peers::Peer;
    use chassis::{Client, Settings};

    const MINUTE: SignedDuration = SignedDuration::from_secs(60);

    struct Fixture {
        orders: Orders,
        inventory: chassis::Running,
        _folder: tempfile::TempDir,
    }

    async fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::for_tests(folder.path());
        let service = settings.clone();
        let inventory = ::inventory::start(::inventory::Options { service })
            .await
            .unwrap();
        let client = Client::new().unwrap();
        let peer = Peer::new("inventory", Some(&inventory.url()), &settings).unwrap();
        let nowhere = Peer::new("catalog", Some("http://127.0.0.1:9"), &settings).unwrap();
        let orders = Orders {
            store: Store::open(&settings.database_url("order")).await.unwrap(),
            catalog: Catalog::new(client.clone(), nowhere),
            inventory: Inventory::new(client, peer),
            pending_timeout: MINUTE,
            release_due: Arc::new(Notify::new()),
        };
        Fixture {
            orders,
            inventory,
            _folder: folder,
        }
    }

    fn request() -> Request {
        let lines = vec![RequestLine {
            sku: "POT-001".into(),
            quantity: 2,
        }];
        Request {
            customer_id: 1,
            lines,
        }
    }

    fn claim() -> Claim {
        Claim::new(Some("1"), Some(b"key-1"), &request()).unwrap()
    }

    /// As a process leaves it that dies between reserving and approving.
    async fn half_placed(orders: &Orders) -> Order {
        let product = crate::domain::Product {
            sku: "POT-001".into(),
            name: "Teapot, 1 l".into(),
            price: money::Money::euros(4900),
        };
        let priced = request().price(vec![product]).unwrap();
        let begun = orders
            .store
            .begin(&claim(), draft(&request(), priced))
            .await
            .unwrap();
        let Begun::Order(order) = begun else {
            panic!("the key is new")
        };
        orders.inventory.reserve(&order).await.unwrap();
        order
    }

    async fn reserved(fixture: &Fixture) -> u64 {
        let url = format!("{}/stock/POT-001", fixture.inventory.url());
        let response = Client::new().unwrap().get(url).send().await.unwrap();
        let stock: serde_json::Value = response.json().await.unwrap();
        stock["reserved"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn an_order_left_pending_by_a_crash_is_given_up_after_its_time() {
        let fixture = fixture().await;
        let orders = &fixture.orders;
        let order = half_placed(orders).await;
        let placed_at = order.placed_at;

        orders.sweep(placed_at + MINUTE).await.unwrap();
        assert_eq!(orders.store.get(order.id).await.unwrap().unwrap(), order);
        assert_eq!(
            orders.store.recall(&claim()).await.unwrap(),
            Some(Recall::Running)
        );
        assert_eq!(reserved(&fixture).await, 2);

        orders.sweep(placed_at + MINUTE * 2).await.unwrap();
        let after = orders.store.get(order.id).await.unwrap().unwrap();
        assert_eq!((after.status, after.version), (Status::Rejected, 1));
        assert_eq!(orders.store.recall(&claim()).await.unwrap(), None);
        assert_eq!(reserved(&fixture).await, 0);
        assert_eq!(orders.store.releases_due(10).await.unwrap(), []);
    }

    #[tokio::test]
    async fn an_order_the_sweep_gave_up_cannot_be_approved_any_more() {
        let fixture = fixture().await;
        let orders = &fixture.orders;
        let order = half_placed(orders).await;
        orders.sweep(order.placed_at + MINUTE * 2).await.unwrap();
        let approved = orders.approve(&order).await;
        assert!(matches!(approved, Err(PlaceError::GivenUp)), "{approved:?}");
        assert_eq!(reserved(&fixture).await, 0);
    }

    #[tokio::test]
    async fn answers_are_forgotten_after_a_day_and_not_before() {
        let fixture = fixture().await;
        let orders = &fixture.orders;
        let order = half_placed(orders).await;
        let answer = orders.approve(&order).await.unwrap();

        orders
            .sweep(order.placed_at + SignedDuration::from_hours(24))
            .await
            .unwrap();
        let kept = orders.store.recall(&claim()).await.unwrap();
        assert_eq!(kept, Some(Recall::Answered(answer)));
        orders
            .sweep(order.placed_at + SignedDuration::from_hours(25))
            .await
            .unwrap();
        assert_eq!(orders.store.recall(&claim()).await.unwrap(), None);
        assert_eq!(reserved(&fixture).await, 2);
    }
}
