use fairlead_domain::Id;
use fairlead_domain::carriers::{Carrier, PartnershipStatus, PartnershipTier};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "carriers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub active: bool,
    pub partnership_status: String,
    pub partnership_tier: String,
    pub performance_score: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Carrier {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let fault = |fault| corrupt("carriers", id, fault);
        Ok(Self {
            id: Id::from_uuid(id),
            name: columns.take()?,
            active: columns.take()?,
            partnership_status: PartnershipStatus::parse(columns.take()?)
                .ok_or_else(|| fault("unknown partnership status"))?,
            partnership_tier: PartnershipTier::parse(columns.take()?)
                .ok_or_else(|| fault("unknown partnership tier"))?,
            performance_score: columns.take()?,
            version: columns.take()?,
            created_at: columns.take()?,
            updated_at: columns.take()?,
        })
    }
}
