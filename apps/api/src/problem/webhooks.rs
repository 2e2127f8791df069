use fairlead_domain::webhooks::{CreateWebhookError, ReplayError, RetryDeliveryError, UpdateWebhookError};

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<CreateWebhookError> for Problem {
    fn from(error: CreateWebhookError) -> Self {
        match error {
            CreateWebhookError::TooMany { .. } => Self::client(Kind::LimitReached, error.to_string()),
            CreateWebhookError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CreateWebhookError {
    const KINDS: &'static [Kind] = &[Kind::LimitReached];
}

impl From<UpdateWebhookError> for Problem {
    fn from(error: UpdateWebhookError) -> Self {
        match error {
            UpdateWebhookError::NotFound => Self::not_found(),
            UpdateWebhookError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            UpdateWebhookError::Store(error) => error.into(),
        }
    }
}

impl Problematic for UpdateWebhookError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::StaleVersion];
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NotFound => Self::not_found(),
            ReplayError::Disabled | ReplayError::UnderWay => Self::client(Kind::Conflict, error.to_string()),
            ReplayError::Dropped(error) => error.into(),
            ReplayError::Store(error) => error.into(),
        }
    }
}

impl Problematic for ReplayError {
    const KINDS: &'static [Kind] = &[
        Kind::InvalidCursor,
        Kind::NotFound,
        Kind::Conflict,
        Kind::EventsDropped,
    ];
}

impl From<RetryDeliveryError> for Problem {
    fn from(error: RetryDeliveryError) -> Self {
        match error {
            RetryDeliveryError::NotFound => Self::not_found(),
            RetryDeliveryError::Disabled => Self::client(Kind::Conflict, error.to_string()),
            RetryDeliveryError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RetryDeliveryError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::Conflict];
}
