//! From error to fault.

use soap::{Element, Fault, FaultCode, FieldError};

use super::{NAMESPACE, model};
use crate::domain::{ChangeError, PricingError, Violation};
use crate::store::{PlaceError, UpdateError};

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    UnknownOperation,
    /// The request lacks something, or holds what it cannot hold.
    Malformed(String),
    NoSuchCustomer(i64),
    NoSuchOrder(i64),
    StaleRecord {
        current: i64,
    },
    InvalidCustomer(Vec<Violation>),
    InvalidOrder(String),
    UnknownItems(Vec<String>),
    StockShort(Vec<String>),
    RefReused,
    Database(sqlx::Error),
}

impl Refusal {
    pub(super) fn not_updated(number: i64, error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::NoSuchCustomer(number),
            UpdateError::Refused(ChangeError::Stale { current }) => Self::StaleRecord { current },
            UpdateError::Refused(ChangeError::Invalid(wrong)) => Self::InvalidCustomer(wrong),
            UpdateError::Database(error) => Self::Database(error),
        }
    }

    /// The code that programs branch on. Part of the interface: never changed.
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation => "OperationUnknown",
            Self::Malformed(_) => "RequestMalformed",
            Self::NoSuchCustomer(_) => "NoSuchCustomer",
            Self::NoSuchOrder(_) => "NoSuchOrder",
            Self::StaleRecord { .. } => "RecordStale",
            Self::InvalidCustomer(_) | Self::InvalidOrder(_) => "DataInvalid",
            Self::UnknownItems(_) => "NoSuchItem",
            Self::StockShort(_) => "StockShort",
            Self::RefReused => "ClientRefReused",
            Self::Database(sqlx::Error::PoolTimedOut) => "Busy",
            Self::Database(_) => "InternalError",
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::UnknownOperation => "there is no such operation".to_owned(),
            Self::Malformed(reason) | Self::InvalidOrder(reason) => reason.clone(),
            Self::NoSuchCustomer(number) => format!("there is no customer {number}"),
            Self::NoSuchOrder(number) => format!("there is no order {number}"),
            Self::StaleRecord { current } => {
                format!("the record has changed meanwhile and is at {current} now")
            }
            Self::InvalidCustomer(_) => "some fields cannot be accepted".to_owned(),
            Self::UnknownItems(skus) => format!("the shop does not sell {}", skus.join(", ")),
            Self::StockShort(skus) => format!("there is not enough of {}", skus.join(", ")),
            Self::RefReused => "this ClientRef came with another order before".to_owned(),
            Self::Database(_) => "the shop cannot answer at the moment".to_owned(),
        }
    }

    fn detail(&self) -> Element {
        let detail = Element::new(NAMESPACE, "ShopFault")
            .with_field("Code", self.code())
            .with_field("Message", self.reason());
        match self {
            Self::StaleRecord { current } => detail.with_field("CurrentRecVer", current),
            Self::InvalidCustomer(violations) => detail.with_all(violations.iter().map(|wrong| {
                Element::new(NAMESPACE, "Item")
                    .with_field("Field", model::field_name(wrong.field))
                    .with_field("Message", &wrong.message)
            })),
            Self::UnknownItems(skus) | Self::StockShort(skus) => skus
                .iter()
                .fold(detail, |detail, sku| detail.with_field("Sku", sku)),
            _ => detail,
        }
    }
}

/// The fault to answer with. What the database said stays in the log.
pub(super) fn to_soap(refusal: &Refusal) -> Fault {
    let code = match refusal {
        Refusal::Database(error) => {
            tracing::error!(%error, "the database failed");
            FaultCode::Server
        }
        _ => FaultCode::Client,
    };
    Fault::new(code, refusal.reason()).with_detail(refusal.detail())
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PlaceError> for Refusal {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::UnknownCustomer(number) => Self::NoSuchCustomer(number),
            PlaceError::Pricing(PricingError::UnknownSkus(skus)) => Self::UnknownItems(skus),
            PlaceError::Pricing(PricingError::Money(error)) => {
                Self::InvalidOrder(error.to_string())
            }
            PlaceError::InsufficientStock(skus) => Self::StockShort(skus),
            PlaceError::KeyReused => Self::RefReused,
            PlaceError::Database(error) => Self::Database(error),
        }
    }
}
