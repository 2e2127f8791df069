use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use uuid::Uuid;

use super::Event;
use crate::identity::TenantId;
use crate::store::{StoreError, UnitOfWork};

/// Something that is done about events after the transaction that recorded them.
#[async_trait]
pub trait Consumer: Debug + Send + Sync {
    /// Names it in the inbox and in reports. Never changes once released: under another name it would begin anew, with
    /// the first event there is.
    fn name(&self) -> &'static str;

    fn wants(&self, event_type: &str) -> bool;

    /// Which of `tenants` it has anything to do for, now. Events of the others are passed over, and not noted in the inbox: one
    /// that comes again is looked at anew.
    async fn concerned(&self, tenants: Vec<TenantId>) -> Result<Vec<TenantId>, StoreError> {
        Ok(tenants)
    }

    /// Does what is due about `events`, through `uow` alone. They are of the tenant of `uow`, of types that are wanted,
    /// in order, and have not been handled before; what is done becomes durable together with the note that they have.
    ///
    /// When it fails for many it is asked again for each alone.
    async fn handle(&self, events: &[Event], uow: &mut dyn UnitOfWork) -> Result<(), HandleError>;
}

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It may work later: it is tried again, and put aside after several attempts.
    #[error("the event could not be handled now")]
    Retry(#[source] Box<dyn Error + Send + Sync>),
    /// It will never work: it is put aside at once.
    #[error("the event cannot be handled")]
    Reject(#[source] Box<dyn Error + Send + Sync>),
}

/// Names the job that handles an event that was put aside.
pub const HANDLE_EVENT: &str = "handle-event";

/// Keeps a second job for the same event and consumer out of the queue. As long as there is one that is not done, the
/// event is kept.
pub fn handle_event_key(consumer: &str, event: Uuid) -> String {
    format!("{HANDLE_EVENT}:{consumer}:{event}")
}

/// Which events the consumers have handled, in one tenant.
#[async_trait]
pub trait Inbox: Send {
    /// Takes those of `events` that `consumer` has not handled, and returns their ids. They count as handled once this
    /// unit of work commits; whoever else is handling one of them is waited for.
    async fn claim(&mut self, consumer: &str, events: &[Event]) -> Result<Vec<Uuid>, StoreError>;

    /// Puts an event aside, unless it was handled meanwhile; `fault` says why. Returns whether it did: then a job that
    /// handles it after all is to be enqueued with this unit of work.
    async fn put_aside(&mut self, consumer: &str, event: &Event, fault: &str) -> Result<bool, StoreError>;

    /// Takes an event that was put aside; returns whether it was. It counts as handled once this unit of work commits.
    async fn take_up(&mut self, consumer: &str, event: Uuid) -> Result<bool, StoreError>;
}
