use fairlead_domain::Id;
use fairlead_domain::carriers::{Carrier, PartnershipStatus, PartnershipTier};
use fairlead_domain::store::StoreError;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::corrupt;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "carriers")]
pub struct Model {
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
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Carrier {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let fault = |fault| corrupt("carriers", row.id, fault);
        let status = PartnershipStatus::parse(&row.partnership_status);
        let tier = PartnershipTier::parse(&row.partnership_tier);
        Ok(Self {
            id: Id::from_uuid(row.id),
            partnership_status: status.ok_or_else(|| fault("unknown partnership status"))?,
            partnership_tier: tier.ok_or_else(|| fault("unknown partnership tier"))?,
            name: row.name,
            active: row.active,
            performance_score: row.performance_score,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
