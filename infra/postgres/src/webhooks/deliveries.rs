use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::paging::{Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::{
    Assignment, Delivery, DeliveryFilter, DeliveryId, DeliveryState, NewDelivery, SealedSecrets, Webhook,
    WebhookDeliveries, WebhookId,
};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};

use crate::entity::webhook_delivery;
use crate::error::SqlError;
use crate::paging::{Keyset, page};
use crate::rows::FromRow as _;
use crate::store::PgUnitOfWork;
use crate::wire::Columns;

const ADD: &str = "
    INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, replay_id, state, tried_since,
                                    next_at, created_at)
    SELECT $1, d.id, d.webhook_id, d.event_id, d.event_type, d.replay_id, 'PENDING', $2, $2, $2
    FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[])
         AS d (id, webhook_id, event_id, event_type, replay_id)";

// The columns of both stand in the order of their models.
const ASSIGNMENT: &str = "
    SELECT d.tenant_id, d.id, d.webhook_id, d.event_id, d.event_type, d.replay_id, d.state, d.attempts, d.last_at,
           d.last_status, d.last_took_ms, d.last_fault, d.tried_since, d.failing_since, d.next_at, d.ended_at,
           d.created_at,
           w.tenant_id, w.id, w.url, w.description, w.events, w.disabled_reason, w.disabled_at, w.old_secret_until,
           w.version, w.created_at, w.updated_at, w.secret, w.old_secret, w.failing_since IS NOT NULL
    FROM webhook_deliveries AS d JOIN webhooks AS w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
    WHERE d.tenant_id = $1 AND d.id = $2";

const UPDATE: &str = "
    UPDATE webhook_deliveries
    SET state = $3, attempts = $4, last_at = $5, last_status = $6, last_took_ms = $7, last_fault = $8,
        tried_since = $9, failing_since = $10, next_at = $11, ended_at = $12
    WHERE tenant_id = $1 AND id = $2";

const END_PENDING: &str = "
    UPDATE webhook_deliveries SET state = $3, next_at = NULL, ended_at = $4
    WHERE tenant_id = $1 AND id = $2 AND state = 'PENDING'";

const COUNT_PENDING: &str = "
    SELECT COUNT(*) FROM (
        SELECT FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND state = 'PENDING' LIMIT $3) AS pending";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_webhook_deliveries(&self, of: WebhookId) -> Select<webhook_delivery::Entity> {
        webhook_delivery::Entity::find()
            .filter(webhook_delivery::Column::TenantId.eq(self.tenant_id()))
            .filter(webhook_delivery::Column::WebhookId.eq(of.as_uuid()))
    }
}

#[async_trait]
impl WebhookDeliveries for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.add", skip_all)]
    async fn add(&mut self, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        fn column<T>(deliveries: &[NewDelivery], of: impl Fn(&NewDelivery) -> T) -> Vec<T> {
            deliveries.iter().map(of).collect()
        }
        let types: Vec<&str> = deliveries.iter().map(|new| new.event_type.as_str()).collect();
        self.connection
            .sql(ADD)
            .bind(self.tenant_id())
            .bind(self.now)
            .bind(column(deliveries, |new| new.id.as_uuid()))
            .bind(column(deliveries, |new| new.webhook.as_uuid()))
            .bind(column(deliveries, |new| new.event))
            .bind(types)
            .bind(column(deliveries, |new| new.replay.map(Id::as_uuid)))
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.assignment", skip_all)]
    async fn assignment(&mut self, id: DeliveryId) -> Result<Option<Assignment>, StoreError> {
        let row = self
            .connection
            .sql(ASSIGNMENT)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let mut columns = row.columns();
        let read = |columns: &mut Columns<'_>| -> Result<Assignment, SqlError> {
            Ok(Assignment {
                delivery: Delivery::from_columns(columns)?,
                webhook: Webhook::from_columns(columns)?,
                secrets: SealedSecrets {
                    present: columns.take()?,
                    old: columns.take()?,
                },
                is_failing: columns.take()?,
            })
        };
        Ok(Some(read(&mut columns)?))
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.find_for_update", skip_all)]
    async fn find_for_update(
        &mut self,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let select = self
            .scoped_webhook_deliveries(webhook)
            .filter(webhook_delivery::Column::Id.eq(id.as_uuid()))
            .lock(LockType::NoKeyUpdate);
        self.connection.select_one(&select).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.list", skip_all)]
    async fn list(
        &mut self,
        webhook: WebhookId,
        filter: DeliveryFilter,
        paging: &Paging,
    ) -> Result<Page<Delivery>, StoreError> {
        let mut select = self.scoped_webhook_deliveries(webhook);
        if let Some(state) = filter.state {
            select = select.filter(webhook_delivery::Column::State.eq(state));
        }
        let order = Keyset::newest_first(webhook_delivery::Column::CreatedAt, webhook_delivery::Column::Id);
        let position = |delivery: &Delivery| Position {
            key: SortKey::Time(delivery.created_at),
            id: delivery.id.as_uuid(),
        };
        page(&self.connection, select, &order, paging, position).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.update", skip_all)]
    async fn update(&mut self, delivery: &Delivery) -> Result<(), StoreError> {
        let last = delivery.last.as_ref();
        self.connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(delivery.id.as_uuid())
            .bind(delivery.state.as_str())
            .bind(i32::try_from(delivery.attempts).unwrap_or(i32::MAX))
            .bind(last.map(|last| last.at))
            .bind(last.and_then(|last| last.status).map(i32::from))
            .bind(last.map(|last| i64::try_from(last.took.as_millis()).unwrap_or(i64::MAX)))
            .bind(last.and_then(|last| last.fault.as_deref()))
            .bind(delivery.tried_since)
            .bind(delivery.failing_since)
            .bind(delivery.state.next_at())
            .bind(delivery.state.ended_at())
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.end_pending", skip_all)]
    async fn end_pending(&mut self, id: DeliveryId, state: DeliveryState) -> Result<(), StoreError> {
        self.connection
            .sql(END_PENDING)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(state.as_str())
            .bind(state.ended_at())
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_deliveries.count_pending", skip_all)]
    async fn count_pending(&mut self, webhook: WebhookId, most: u32) -> Result<u32, StoreError> {
        let row = self
            .connection
            .sql(COUNT_PENDING)
            .bind(self.tenant_id())
            .bind(webhook.as_uuid())
            .bind(i64::from(most))
            .fetch_one()
            .await?;
        let count: i64 = row.try_get(0).map_err(SqlError::from)?;
        Ok(u32::try_from(count).unwrap_or(most))
    }
}
