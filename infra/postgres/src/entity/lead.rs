use fairlead_domain::Id;
use fairlead_domain::leads::{CloseReason, CustomFields, Lead, Status, StatusName};
use fairlead_domain::text::{Email, Phone};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::JsonText;
use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "leads")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub status: String,
    pub close_reason: Option<String>,
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    pub quality_score: i32,
    pub assigned_to: Option<Uuid>,
    pub custom_fields: Json,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Lead {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let fault = |fault| SqlError::from(corrupt("leads", id, fault));
        Ok(Self {
            id: Id::from_uuid(id),
            name: columns.take()?,
            email: columns.take::<Option<_>>()?.map(Email::stored),
            phone: columns.take::<Option<_>>()?.map(Phone::stored),
            company: columns.take()?,
            status: status(columns.take()?, columns.take()?)
                .ok_or_else(|| fault("status and close reason do not go together"))?,
            source: columns.take()?,
            insurance_type: columns.take()?,
            zip_code: columns.take()?,
            quality_score: columns.take()?,
            assigned_to: columns.take::<Option<_>>()?.map(Id::from_uuid),
            custom_fields: CustomFields::stored(columns.take::<JsonText<'_>>()?.0)
                .ok_or_else(|| fault("custom_fields is not an object"))?,
            version: columns.take()?,
            created_at: columns.take()?,
            updated_at: columns.take()?,
        })
    }
}

fn status(name: &str, reason: Option<&str>) -> Option<Status> {
    let reason = match reason {
        Some(reason) => Some(CloseReason::parse(reason)?),
        None => None,
    };
    Status::from_parts(StatusName::parse(name)?, reason)
}
