use fairlead_domain::Id;
use fairlead_domain::webhooks::{DisabledReason, EventSelection, Webhook, WebhookState};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

/// Without the secrets, which nobody reads by the way.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub url: String,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub disabled_reason: Option<String>,
    pub disabled_at: Option<OffsetDateTime>,
    pub old_secret_until: Option<OffsetDateTime>,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Webhook {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let (url, description) = (columns.take()?, columns.take()?);
        let events: Option<Vec<String>> = columns.take()?;
        let (reason, since): (Option<&str>, Option<OffsetDateTime>) = (columns.take()?, columns.take()?);
        let state = match (reason, since) {
            (None, None) => Some(WebhookState::Enabled),
            (Some(reason), Some(since)) => {
                DisabledReason::parse(reason).map(|reason| WebhookState::Disabled { reason, since })
            }
            _ => None,
        };
        Ok(Self {
            id: Id::from_uuid(id),
            url,
            description,
            events: selection(events),
            state: state.ok_or_else(|| corrupt("webhooks", id, "unknown reason for being disabled"))?,
            old_secret_until: columns.take()?,
            version: columns.take()?,
            created_at: columns.take()?,
            updated_at: columns.take()?,
        })
    }
}

/// Not held against the types that there are: those of a newer release may be among them.
pub(crate) fn selection(types: Option<Vec<String>>) -> EventSelection {
    types.map_or(EventSelection::All, EventSelection::Types)
}
