use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::webhooks::{Attempt, Delivery, DeliveryState};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub webhook_id: Uuid,
    pub event_id: Uuid,
    pub event_type: String,
    pub replay_id: Option<Uuid>,
    pub state: String,
    pub attempts: i32,
    pub last_at: Option<OffsetDateTime>,
    pub last_status: Option<i32>,
    pub last_took_ms: Option<i64>,
    pub last_fault: Option<String>,
    pub tried_since: OffsetDateTime,
    pub failing_since: Option<OffsetDateTime>,
    pub next_at: Option<OffsetDateTime>,
    pub ended_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Delivery {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let (webhook, event): (Uuid, Uuid) = (columns.take()?, columns.take()?);
        let event_type = columns.take()?;
        let replay: Option<Uuid> = columns.take()?;
        let state: &str = columns.take()?;
        let attempts: i32 = columns.take()?;
        let last = attempt(columns)?;
        let (tried_since, failing_since) = (columns.take()?, columns.take()?);
        let state = DeliveryState::of(state, columns.take()?, columns.take()?);
        Ok(Self {
            id: Id::from_uuid(id),
            webhook: Id::from_uuid(webhook),
            event,
            event_type,
            replay: replay.map(Id::from_uuid),
            state: state.ok_or_else(|| corrupt("webhook_deliveries", id, "unknown state"))?,
            attempts: u32::try_from(attempts).unwrap_or_default(),
            last,
            tried_since,
            failing_since,
            created_at: columns.take()?,
        })
    }
}

fn attempt(columns: &mut Columns<'_>) -> Result<Option<Attempt>, SqlError> {
    let at: Option<OffsetDateTime> = columns.take()?;
    let status: Option<i32> = columns.take()?;
    let took: Option<i64> = columns.take()?;
    let fault = columns.take()?;
    Ok(at.map(|at| Attempt {
        at,
        status: status.and_then(|status| u16::try_from(status).ok()),
        took: Duration::from_millis(took.unwrap_or_default().unsigned_abs()),
        fault,
    }))
}
