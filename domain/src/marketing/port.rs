use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{LeadSubscription, LeadSubscriptionId};
use crate::store::StoreError;
use crate::upstreams::UpstreamFault;

/// The subscriptions of one tenant's leads.
#[async_trait]
pub trait LeadSubscriptions: Send {
    async fn insert(&mut self, subscription: &LeadSubscription) -> Result<(), StoreError>;
    async fn find(&mut self, id: LeadSubscriptionId) -> Result<Option<LeadSubscription>, StoreError>;
    async fn find_for_update(
        &mut self,
        id: LeadSubscriptionId,
    ) -> Result<Option<LeadSubscription>, StoreError>;
    /// Writes its state and its fault.
    async fn update(&mut self, subscription: &LeadSubscription) -> Result<(), StoreError>;
}

/// Writes to those who want it, in bounded time. Nobody may hold a connection to the database meanwhile.
#[async_trait]
pub trait MailingList: Debug + Send + Sync {
    /// How long nobody is asked; `None`: a call would be made now.
    fn closed_for(&self) -> Option<Duration>;

    /// Puts somebody on the list, with these tags. Whoever is there already stays, with more tags.
    async fn subscribe(&self, subscriber: &NewSubscriber<'_>) -> Result<(), MailingFault>;
}

#[derive(Clone, Copy, Debug)]
pub struct NewSubscriber<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub tags: &'a [String],
}

/// Why somebody was not put on the list. Nothing that was sent or answered stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct MailingFault {
    pub fault: UpstreamFault,
    /// When the service wants to be asked again.
    pub after: Option<Duration>,
}

impl MailingFault {
    /// Whether the same would be refused again.
    pub fn is_final(self) -> bool {
        matches!(self.fault, UpstreamFault::Refused(_))
    }
}
