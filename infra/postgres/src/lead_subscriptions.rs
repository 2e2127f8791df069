use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::access::Actor;
use fairlead_domain::marketing::{
    LeadSubscription, LeadSubscriptionId, LeadSubscriptionState, LeadSubscriptions, Tags,
};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::error::{SqlError, corrupt};
use crate::store::PgUnitOfWork;
use crate::wire::Row;

const INSERT: &str = "
    INSERT INTO lead_subscriptions (tenant_id, id, lead_id, email, tags, state, consent_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const FIND: &str = "
    SELECT id, lead_id, email, tags, state, consent_by, fault, created_at
    FROM lead_subscriptions WHERE tenant_id = $1 AND id = $2";

const FIND_FOR_UPDATE: &str = "
    SELECT id, lead_id, email, tags, state, consent_by, fault, created_at
    FROM lead_subscriptions WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE";

const UPDATE: &str = "UPDATE lead_subscriptions SET state = $3, fault = $4 WHERE tenant_id = $1 AND id = $2";

impl PgUnitOfWork {
    async fn one_subscription(
        &self,
        sql: &'static str,
        id: LeadSubscriptionId,
    ) -> Result<Option<LeadSubscription>, StoreError> {
        let row = self
            .connection
            .sql(sql)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        row.as_ref().map(subscription).transpose()
    }
}

#[async_trait]
impl LeadSubscriptions for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.lead_subscriptions.insert", skip_all)]
    async fn insert(&mut self, subscription: &LeadSubscription) -> Result<(), StoreError> {
        self.connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(subscription.id.as_uuid())
            .bind(subscription.lead.as_uuid())
            .bind(&subscription.email)
            .bind(subscription.tags.as_slice().to_vec())
            .bind(subscription.state.as_str())
            .bind(subscription.consent_by.to_string())
            .bind(subscription.created_at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.lead_subscriptions.find", skip_all)]
    async fn find(&mut self, id: LeadSubscriptionId) -> Result<Option<LeadSubscription>, StoreError> {
        self.one_subscription(FIND, id).await
    }

    #[tracing::instrument(level = "debug", name = "db.lead_subscriptions.find_for_update", skip_all)]
    async fn find_for_update(
        &mut self,
        id: LeadSubscriptionId,
    ) -> Result<Option<LeadSubscription>, StoreError> {
        self.one_subscription(FIND_FOR_UPDATE, id).await
    }

    #[tracing::instrument(level = "debug", name = "db.lead_subscriptions.update", skip_all)]
    async fn update(&mut self, subscription: &LeadSubscription) -> Result<(), StoreError> {
        self.connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(subscription.id.as_uuid())
            .bind(subscription.state.as_str())
            .bind(subscription.fault.as_deref())
            .enqueue()
            .await
    }
}

fn subscription(row: &Row) -> Result<LeadSubscription, StoreError> {
    let id: Uuid = row.try_get(0).map_err(SqlError::from)?;
    let state: String = row.try_get(4).map_err(SqlError::from)?;
    let state = LeadSubscriptionState::parse(&state)
        .ok_or_else(|| corrupt("lead_subscriptions", id, "unknown state"))?;
    let consent_by: String = row.try_get(5).map_err(SqlError::from)?;
    let consent_by =
        Actor::parse(&consent_by).ok_or_else(|| corrupt("lead_subscriptions", id, "nobody has consented"))?;
    Ok(LeadSubscription {
        id: Id::from_uuid(id),
        lead: Id::from_uuid(row.try_get(1).map_err(SqlError::from)?),
        email: row.try_get(2).map_err(SqlError::from)?,
        tags: Tags::stored(row.try_get(3).map_err(SqlError::from)?),
        state,
        consent_by,
        fault: row.try_get(6).map_err(SqlError::from)?,
        created_at: row.try_get(7).map_err(SqlError::from)?,
    })
}
