//! The leads of one tenant.

mod list;
mod search;
mod statistics;
mod write;

use std::collections::HashSet;

use async_trait::async_trait;
use fairlead_domain::leads::{Lead, LeadId, LeadQuery, Leads, SearchText, Statistics};
use fairlead_domain::paging::Page;
use fairlead_domain::store::StoreError;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _, LockType};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::entity::lead;
use crate::store::PgUnitOfWork;

const DELETE: &str = "DELETE FROM leads WHERE tenant_id = $1 AND id = $2";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    pub(crate) fn scoped_leads(&self) -> Select<lead::Entity> {
        lead::Entity::find().filter(lead::Column::TenantId.eq(self.tenant_id()))
    }

    fn scoped_leads_with(&self, ids: &[LeadId]) -> Select<lead::Entity> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        // One array, whatever its length: the statement stays the same, and prepared.
        self.scoped_leads()
            .filter(Expr::col(lead::Column::Id.as_column_ref()).eq(PgFunc::any(ids)))
    }
}

#[async_trait]
impl Leads for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.leads.find", skip_all)]
    async fn find(&mut self, id: LeadId) -> Result<Option<Lead>, StoreError> {
        self.by_id(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: LeadId) -> Result<Option<Lead>, StoreError> {
        self.by_id_for_update(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.find_many_for_update", skip_all)]
    async fn find_many_for_update(&mut self, ids: &[LeadId]) -> Result<Vec<Lead>, StoreError> {
        let select = self
            .scoped_leads_with(ids)
            .order_by_asc(lead::Column::Id)
            .lock(LockType::NoKeyUpdate);
        self.connection.select(&select).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.list", skip_all)]
    async fn list(&mut self, query: &LeadQuery) -> Result<Page<Lead>, StoreError> {
        self.list_leads(query).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.search", skip_all)]
    async fn search(&mut self, text: &SearchText, limit: u32) -> Result<Vec<(Lead, f32)>, StoreError> {
        self.search_leads(text, limit).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.statistics", skip_all)]
    async fn statistics(&mut self, now: OffsetDateTime) -> Result<Statistics, StoreError> {
        self.lead_statistics(now).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.find_new", skip_all, fields(leads = leads.len()))]
    async fn find_new(&mut self, leads: &[Lead]) -> Result<HashSet<LeadId>, StoreError> {
        self.new_leads(leads).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.insert", skip_all, fields(leads = leads.len()))]
    async fn insert(&mut self, leads: &[Lead]) -> Result<(), StoreError> {
        self.insert_leads(leads).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.update", skip_all, fields(leads = leads.len()))]
    async fn update(&mut self, leads: &[Lead]) -> Result<(), StoreError> {
        self.update_leads(leads).await
    }

    #[tracing::instrument(level = "debug", name = "db.leads.delete", skip_all)]
    async fn delete(&mut self, id: LeadId) -> Result<(), StoreError> {
        self.connection
            .sql(DELETE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .enqueue()
            .await
    }
}
