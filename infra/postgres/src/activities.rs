use std::cmp::Reverse;
use std::collections::HashMap;

use async_trait::async_trait;
use fairlead_domain::activities::{Activities, Activity, ActivityFilter, ActivityId};
use fairlead_domain::leads::LeadId;
use fairlead_domain::paging::{Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Select};
use uuid::Uuid;

use crate::entity::activity;
use crate::error::SqlError;
use crate::paging::{Keyset, page};
use crate::store::PgUnitOfWork;

// The lateral select walks the index of one lead at a time and stops after `count` rows.
const NEWEST: &str = "
    SELECT a.tenant_id, a.id, a.lead_id, a.type, a.subject, a.body, a.actor_id, a.occurred_at, a.version, a.created_at
    FROM unnest($2::uuid[]) AS wanted (lead_id)
    CROSS JOIN LATERAL (
        SELECT * FROM activities
        WHERE tenant_id = $1 AND lead_id = wanted.lead_id
        ORDER BY created_at DESC, id DESC
        LIMIT $3
    ) AS a";

const INSERT: &str = "
    INSERT INTO activities (tenant_id, id, lead_id, type, subject, body, actor_id, occurred_at, version, created_at)
    SELECT $1, a.id, a.lead_id, a.type, a.subject, a.body, a.actor_id, a.occurred_at, a.version, a.created_at
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::timestamptz[],
                $9::bigint[], $10::timestamptz[])
         AS a (id, lead_id, type, subject, body, actor_id, occurred_at, version, created_at)";

const UPDATE: &str = "
    UPDATE activities SET subject = $3, body = $4, occurred_at = $5, version = $6 + 1
    WHERE tenant_id = $1 AND id = $2 AND version = $6";

const DELETE: &str = "DELETE FROM activities WHERE tenant_id = $1 AND id = $2";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_activities(&self) -> Select<activity::Entity> {
        activity::Entity::find().filter(activity::Column::TenantId.eq(self.tenant_id()))
    }
}

#[async_trait]
impl Activities for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.activities.find", skip_all)]
    async fn find(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError> {
        self.by_id(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.activities.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError> {
        self.by_id_for_update(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.activities.list", skip_all)]
    async fn list(&mut self, filter: &ActivityFilter, paging: &Paging) -> Result<Page<Activity>, StoreError> {
        let mut select = self.scoped_activities();
        if let Some(lead) = filter.lead {
            select = select.filter(activity::Column::LeadId.eq(lead.as_uuid()));
        }
        if let Some(kind) = filter.kind {
            select = select.filter(activity::Column::Kind.eq(kind.as_str()));
        }
        if let Some(actor) = filter.actor {
            select = select.filter(activity::Column::ActorId.eq(actor.as_uuid()));
        }
        if let Some(after) = filter.created_after {
            select = select.filter(activity::Column::CreatedAt.gt(after));
        }
        if let Some(before) = filter.created_before {
            select = select.filter(activity::Column::CreatedAt.lt(before));
        }
        let order = Keyset::newest_first(activity::Column::CreatedAt, activity::Column::Id);
        page(&self.connection, select, &order, paging, |activity: &Activity| {
            Position {
                key: SortKey::Time(activity.created_at),
                id: activity.id.as_uuid(),
            }
        })
        .await
    }

    #[tracing::instrument(level = "debug", name = "db.activities.newest", skip_all)]
    async fn newest(
        &mut self,
        leads: &[LeadId],
        count: u32,
    ) -> Result<HashMap<LeadId, Vec<Activity>>, StoreError> {
        let mut newest: HashMap<LeadId, Vec<Activity>> = HashMap::with_capacity(leads.len());
        if leads.is_empty() {
            return Ok(newest);
        }
        let leads: Vec<Uuid> = leads.iter().map(|lead| lead.as_uuid()).collect();
        let values = [self.tenant_id().into(), leads.into(), i64::from(count).into()];
        for activity in self.connection.rows::<Activity>(NEWEST, values).await? {
            newest.entry(activity.lead).or_default().push(activity);
        }
        // SQL promises no order across the join.
        for activities in newest.values_mut() {
            activities.sort_by_key(|activity| Reverse((activity.created_at, activity.id)));
        }
        Ok(newest)
    }

    #[tracing::instrument(level = "debug", name = "db.activities.insert", skip_all)]
    async fn insert(&mut self, activities: &[Activity]) -> Result<(), StoreError> {
        if activities.is_empty() {
            return Ok(());
        }
        let column = Column(activities);
        self.connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(column.of(|activity| activity.id.as_uuid()))
            .bind(column.of(|activity| activity.lead.as_uuid()))
            .bind(column.of(|activity| activity.kind.as_str()))
            .bind(column.of(|activity| activity.subject.as_deref()))
            .bind(column.of(|activity| activity.body.as_deref()))
            .bind(column.of(|activity| activity.actor.map(fairlead_domain::Id::as_uuid)))
            .bind(column.of(|activity| activity.occurred_at))
            .bind(column.of(|activity| activity.version))
            .bind(column.of(|activity| activity.created_at))
            .enqueue_or(lead_is_gone)
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.activities.update", skip_all)]
    async fn update(&mut self, activity: &Activity) -> Result<(), StoreError> {
        let written = self
            .connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(activity.id.as_uuid())
            .bind(&activity.subject)
            .bind(&activity.body)
            .bind(activity.occurred_at)
            .bind(activity.version)
            .execute()
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }

    #[tracing::instrument(level = "debug", name = "db.activities.delete", skip_all)]
    async fn delete(&mut self, id: ActivityId) -> Result<(), StoreError> {
        self.connection
            .sql(DELETE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .enqueue()
            .await
    }
}

/// The lead was deleted after it was looked at: the same request will find that out.
fn lead_is_gone(error: SqlError) -> StoreError {
    match error.constraint() {
        Some("activities_lead") => StoreError::Contended,
        _ => error.into(),
    }
}

/// Takes one column out of the rows: `unnest` wants an array for each.
struct Column<'a>(&'a [Activity]);

impl<'a> Column<'a> {
    fn of<T>(&self, value: impl Fn(&'a Activity) -> T) -> Vec<T> {
        self.0.iter().map(value).collect()
    }
}
