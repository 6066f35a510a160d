//! Inventory, as an order needs it: reserve, and release.

use chassis::Client;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Order;
use crate::peers::{NoInstance, Peer};

/// The inventory service.
#[derive(Debug, Clone)]
pub(crate) struct Inventory {
    client: Client,
    peer: Peer,
}

/// Says how reserving failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReserveError {
    /// Inventory refused: nothing is reserved.
    #[error("refused ({code}): {skus:?}")]
    Refused {
        code: RefusalCode,
        skus: Vec<String>,
    },
    /// Nobody knows whether anything is reserved: it must be released.
    #[error(transparent)]
    Unknown(#[from] CallError),
}

/// Why inventory refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalCode {
    InsufficientStock,
    UnknownSku,
}

/// Inventory did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    NoInstance(#[from] NoInstance),
    #[error("inventory did not answer: {0}")]
    Call(#[from] reqwest::Error),
    #[error("inventory answered {0}")]
    Status(StatusCode),
}

#[derive(Debug, Serialize)]
struct ReserveBody<'a> {
    lines: Vec<ReserveLine<'a>>,
}

#[derive(Debug, Serialize)]
struct ReserveLine<'a> {
    sku: &'a str,
    quantity: u32,
}

/// The members of inventory's problem details that matter here.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: RefusalCode,
    skus: Vec<String>,
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InsufficientStock => "insufficient_stock",
            Self::UnknownSku => "unknown_sku",
        })
    }
}

impl Inventory {
    pub(crate) fn new(client: Client, peer: Peer) -> Self {
        Self { client, peer }
    }

    /// Sets the order's lines aside under its reservation id: all, or none.
    pub(crate) async fn reserve(&self, order: &Order) -> Result<(), ReserveError> {
        let lines = order
            .lines
            .iter()
            .map(|line| ReserveLine {
                sku: &line.sku,
                quantity: line.quantity,
            })
            .collect();
        let response = self
            .client
            .put(self.url(order.reservation)?)
            .json(&ReserveBody { lines })
            .send()
            .await
            .map_err(CallError::from)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        // Anything but a refusal we understand leaves the outcome open.
        match response.json::<Refusal>().await {
            Ok(Refusal { code, skus }) if status.is_client_error() => {
                Err(ReserveError::Refused { code, skus })
            }
            _ => Err(CallError::Status(status).into()),
        }
    }

    /// Gives back whatever the reservation holds, and makes sure that it never will hold anything.
    pub(crate) async fn release(&self, reservation: Uuid) -> Result<(), CallError> {
        let response = self.client.delete(self.url(reservation)?).send().await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(CallError::Status(status)),
        }
    }

    fn url(&self, reservation: Uuid) -> Result<String, CallError> {
        Ok(format!(
            "{}/stock/reservations/{reservation}",
            self.peer.base_url()?
        ))
    }
}
