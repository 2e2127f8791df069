use std::collections::HashMap;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Activity, ActivityId, ActivityKind};
use crate::identity::UserId;
use crate::leads::LeadId;
use crate::paging::{Page, Paging};
use crate::store::StoreError;

/// The activities of one tenant.
#[async_trait]
pub trait Activities: Send {
    async fn find(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError>;
    async fn find_for_update(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError>;
    /// Newest first, by `created_at`.
    async fn list(&mut self, filter: &ActivityFilter, paging: &Paging) -> Result<Page<Activity>, StoreError>;
    /// The `count` newest of each lead, newest first, by one statement however many leads there are.
    async fn newest(
        &mut self,
        leads: &[LeadId],
        count: u32,
    ) -> Result<HashMap<LeadId, Vec<Activity>>, StoreError>;
    /// Adds activities by one statement.
    async fn insert(&mut self, activities: &[Activity]) -> Result<(), StoreError>;
    /// Writes subject, body and `occurred_at`; the stored version becomes one more than `activity.version`.
    async fn update(&mut self, activity: &Activity) -> Result<(), StoreError>;
    async fn delete(&mut self, id: ActivityId) -> Result<(), StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    pub lead: Option<LeadId>,
    pub kind: Option<ActivityKind>,
    pub actor: Option<UserId>,
    pub created_after: Option<OffsetDateTime>,
    pub created_before: Option<OffsetDateTime>,
}
