use fairlead_domain::Id;
use fairlead_domain::leads::{CloseReason, CustomFields, Lead, Status, StatusName};
use fairlead_domain::store::StoreError;
use fairlead_domain::text::{Email, Phone};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use super::JsonText;
use crate::error::corrupt;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "leads")]
pub struct Model {
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
    #[sea_orm(column_type = "JsonBinary")]
    pub custom_fields: JsonText,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Lead {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let fault = |fault: String| corrupt("leads", row.id, fault);
        let status = status(&row.status, row.close_reason.as_deref())
            .ok_or_else(|| fault("status and close reason do not go together".to_owned()))?;
        let custom_fields = CustomFields::stored(&row.custom_fields.0)
            .ok_or_else(|| fault("custom_fields is not an object".to_owned()))?;
        Ok(Self {
            id: Id::from_uuid(row.id),
            name: row.name,
            email: row.email.map(Email::stored),
            phone: row.phone.map(Phone::stored),
            company: row.company,
            status,
            source: row.source,
            insurance_type: row.insurance_type,
            zip_code: row.zip_code,
            quality_score: row.quality_score,
            assigned_to: row.assigned_to.map(Id::from_uuid),
            custom_fields,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
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
