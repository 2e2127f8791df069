use async_trait::async_trait;
use fairlead_domain::carriers::{Carrier, CarrierConflict, CarrierFilter, CarrierId, Carriers};
use fairlead_domain::paging::{Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Select};

use crate::entity::carrier;
use crate::error::SqlError;
use crate::paging::{Keyset, page};
use crate::store::PgUnitOfWork;

const INSERT: &str = "
    INSERT INTO carriers (tenant_id, id, name, active, partnership_status, partnership_tier, performance_score,
                          version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const UPDATE: &str = "
    UPDATE carriers
    SET name = $3, active = $4, partnership_status = $5, partnership_tier = $6, performance_score = $7,
        updated_at = $8, version = $9 + 1
    WHERE tenant_id = $1 AND id = $2 AND version = $9";

const DELETE: &str = "DELETE FROM carriers WHERE tenant_id = $1 AND id = $2";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_carriers(&self) -> Select<carrier::Entity> {
        carrier::Entity::find().filter(carrier::Column::TenantId.eq(self.tenant_id()))
    }
}

#[async_trait]
impl Carriers for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.carriers.find", skip_all)]
    async fn find(&mut self, id: CarrierId) -> Result<Option<Carrier>, StoreError> {
        self.by_id(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.carriers.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: CarrierId) -> Result<Option<Carrier>, StoreError> {
        self.by_id_for_update(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.carriers.list", skip_all)]
    async fn list(&mut self, filter: &CarrierFilter, paging: &Paging) -> Result<Page<Carrier>, StoreError> {
        let mut select = self.scoped_carriers();
        if let Some(active) = filter.active {
            select = select.filter(carrier::Column::Active.eq(active));
        }
        if let Some(status) = filter.partnership_status {
            select = select.filter(carrier::Column::PartnershipStatus.eq(status.as_str()));
        }
        if let Some(tier) = filter.partnership_tier {
            select = select.filter(carrier::Column::PartnershipTier.eq(tier.as_str()));
        }
        if let Some(score) = filter.min_performance_score {
            select = select.filter(carrier::Column::PerformanceScore.gte(score));
        }
        let order = Keyset::newest_first(carrier::Column::CreatedAt, carrier::Column::Id);
        page(&self.connection, select, &order, paging, |carrier: &Carrier| {
            Position {
                key: SortKey::Time(carrier.created_at),
                id: carrier.id.as_uuid(),
            }
        })
        .await
    }

    #[tracing::instrument(level = "debug", name = "db.carriers.insert", skip_all)]
    async fn insert(&mut self, carrier: &Carrier) -> Result<(), CarrierConflict> {
        let inserted = self
            .connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(carrier.id.as_uuid())
            .bind(&carrier.name)
            .bind(carrier.active)
            .bind(carrier.partnership_status.as_str())
            .bind(carrier.partnership_tier.as_str())
            .bind(carrier.performance_score)
            .bind(carrier.version)
            .bind(carrier.created_at)
            .bind(carrier.updated_at)
            .execute()
            .await;
        inserted.map(drop).map_err(conflict)
    }

    #[tracing::instrument(level = "debug", name = "db.carriers.update", skip_all)]
    async fn update(&mut self, carrier: &Carrier) -> Result<(), CarrierConflict> {
        let written = self
            .connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(carrier.id.as_uuid())
            .bind(&carrier.name)
            .bind(carrier.active)
            .bind(carrier.partnership_status.as_str())
            .bind(carrier.partnership_tier.as_str())
            .bind(carrier.performance_score)
            .bind(carrier.updated_at)
            .bind(carrier.version)
            .execute()
            .await
            .map_err(conflict)?;
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Contended.into())
        }
    }

    #[tracing::instrument(level = "debug", name = "db.carriers.delete", skip_all)]
    async fn delete(&mut self, id: CarrierId) -> Result<(), StoreError> {
        self.connection
            .sql(DELETE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .enqueue()
            .await
    }
}

fn conflict(error: SqlError) -> CarrierConflict {
    match error.constraint() {
        Some("carriers_name") => CarrierConflict::NameTaken,
        _ => StoreError::from(error).into(),
    }
}
