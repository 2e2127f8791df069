//! Webhooks, what is on its way to them (`deliveries`), and what is sent once more (`replays`).

mod deliveries;
mod directory;
mod replays;

use std::time::Duration;

use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::events::EventCursor;
use fairlead_domain::paging::{Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::{Subscriber, Webhook, WebhookId, Webhooks};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Select};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::entity::webhook;
use crate::error::SqlError;
use crate::paging::{Keyset, count, page};
use crate::statement::Xid;
use crate::store::PgUnitOfWork;

const INSERT: &str = "
    INSERT INTO webhooks (tenant_id, id, url, description, events, disabled_reason, disabled_at, version, created_at,
                          updated_at, secret)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

// Where it is enabled again it begins anew: with what happens from now on, and without what was.
const UPDATE: &str = "
    UPDATE webhooks
    SET url = $3, description = $4, events = $5, disabled_reason = $6, disabled_at = $7, old_secret_until = $8,
        updated_at = $9, version = $10 + 1,
        since_xid = CASE WHEN disabled_reason IS NOT NULL AND $6 IS NULL THEN place_of_event() ELSE since_xid END,
        since_position = CASE WHEN disabled_reason IS NOT NULL AND $6 IS NULL THEN nextval('events_position')
                         ELSE since_position END,
        failing_since = CASE WHEN disabled_reason IS NOT NULL AND $6 IS NULL THEN NULL ELSE failing_since END
    WHERE tenant_id = $1 AND id = $2 AND version = $10";

const REPLACE_SECRET: &str = "
    UPDATE webhooks SET old_secret = CASE WHEN $4 THEN secret END, secret = $3 WHERE tenant_id = $1 AND id = $2";

const DELETE: &str = "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2";

const SUBSCRIBERS: &str = "
    SELECT id, events, disabled_reason IS NULL, since_xid, since_position, failing_since IS NOT NULL
    FROM webhooks WHERE tenant_id = $1";

const NOTE_SUCCESS: &str = "
    UPDATE webhooks SET failing_since = NULL WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL";

// It is noted when it was seen to fail last, so that a time in which nobody tried is known.
const NOTE_FAILURE: &str = "
    UPDATE webhooks
    SET failing_since = CASE WHEN failing_since IS NULL OR failed_at < $3 - $4 * interval '1 millisecond' THEN $3
                             ELSE failing_since END,
        failed_at = $3
    WHERE tenant_id = $1 AND id = $2
      AND (failing_since IS NULL OR failed_at IS NULL OR failed_at < $3 - interval '5 minutes')";

const FAILING_SINCE: &str = "SELECT failing_since FROM webhooks WHERE tenant_id = $1 AND id = $2";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_webhooks(&self) -> Select<webhook::Entity> {
        webhook::Entity::find().filter(webhook::Column::TenantId.eq(self.tenant_id()))
    }
}

#[async_trait]
impl Webhooks for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.webhooks.find", skip_all)]
    async fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.by_id(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.by_id_for_update(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.list", skip_all)]
    async fn list(&mut self, paging: &Paging) -> Result<Page<Webhook>, StoreError> {
        let order = Keyset::newest_first(webhook::Column::CreatedAt, webhook::Column::Id);
        let position = |webhook: &Webhook| Position {
            key: SortKey::Time(webhook.created_at),
            id: webhook.id.as_uuid(),
        };
        page(&self.connection, self.scoped_webhooks(), &order, paging, position).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.count", skip_all)]
    async fn count(&mut self) -> Result<u64, StoreError> {
        count(&self.connection, self.scoped_webhooks()).await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.insert", skip_all)]
    async fn insert(&mut self, webhook: &Webhook, secret: &[u8]) -> Result<(), StoreError> {
        let disabled = webhook.state.disabled();
        self.connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(webhook.id.as_uuid())
            .bind(&webhook.url)
            .bind(webhook.description.as_deref())
            .bind(webhook.events.names().map(<[String]>::to_vec))
            .bind(disabled.map(|(reason, _)| reason.as_str()))
            .bind(disabled.map(|(_, since)| since))
            .bind(webhook.version)
            .bind(webhook.created_at)
            .bind(webhook.updated_at)
            .bind(secret)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.update", skip_all)]
    async fn update(&mut self, webhook: &Webhook) -> Result<(), StoreError> {
        let disabled = webhook.state.disabled();
        let written = self
            .connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(webhook.id.as_uuid())
            .bind(&webhook.url)
            .bind(webhook.description.as_deref())
            .bind(webhook.events.names().map(<[String]>::to_vec))
            .bind(disabled.map(|(reason, _)| reason.as_str()))
            .bind(disabled.map(|(_, since)| since))
            .bind(webhook.old_secret_until)
            .bind(webhook.updated_at)
            .bind(webhook.version)
            .execute()
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.replace_secret", skip_all)]
    async fn replace_secret(
        &mut self,
        id: WebhookId,
        secret: &[u8],
        keeps_old: bool,
    ) -> Result<(), StoreError> {
        let connection = &self.connection;
        connection
            .sql(REPLACE_SECRET)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(secret)
            .bind(keeps_old)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.delete", skip_all)]
    async fn delete(&mut self, id: WebhookId) -> Result<(), StoreError> {
        self.connection
            .sql(DELETE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.subscribers", skip_all)]
    async fn subscribers(&mut self) -> Result<Vec<Subscriber>, StoreError> {
        let rows = self
            .connection
            .sql(SUBSCRIBERS)
            .bind(self.tenant_id())
            .fetch_all()
            .await?;
        let subscriber = |row: &Row| -> Result<Subscriber, crate::wire::Error> {
            let Xid(xid) = row.try_get(3)?;
            let since = EventCursor {
                xid,
                position: row.try_get(4)?,
            };
            Ok(Subscriber {
                id: Id::from_uuid(row.try_get::<Uuid>(0)?),
                events: webhook::selection(row.try_get(1)?),
                is_enabled: row.try_get(2)?,
                is_failing: row.try_get(5)?,
                since,
            })
        };
        let subscribers: Result<_, _> = rows.iter().map(subscriber).collect();
        Ok(subscribers.map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.note_success", skip_all)]
    async fn note_success(&mut self, id: WebhookId) -> Result<(), StoreError> {
        self.connection
            .sql(NOTE_SUCCESS)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.note_failure", skip_all)]
    async fn note_failure(
        &mut self,
        id: WebhookId,
        at: OffsetDateTime,
        unseen: Duration,
    ) -> Result<(), StoreError> {
        self.connection
            .sql(NOTE_FAILURE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(at)
            .bind(i64::try_from(unseen.as_millis()).unwrap_or(i64::MAX))
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhooks.failing_since", skip_all)]
    async fn failing_since(&mut self, id: WebhookId) -> Result<Option<OffsetDateTime>, StoreError> {
        let row = self
            .connection
            .sql(FAILING_SINCE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let since = row.as_ref().map(|row| row.try_get(0)).transpose();
        Ok(since.map_err(SqlError::from)?.flatten())
    }
}
