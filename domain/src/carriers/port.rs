use async_trait::async_trait;

use super::{Carrier, CarrierId, PartnershipStatus, PartnershipTier};
use crate::paging::{Page, Paging};
use crate::store::StoreError;

/// The carriers of one tenant.
#[async_trait]
pub trait Carriers: Send {
    async fn find(&mut self, id: CarrierId) -> Result<Option<Carrier>, StoreError>;
    async fn find_for_update(&mut self, id: CarrierId) -> Result<Option<Carrier>, StoreError>;
    /// Newest first.
    async fn list(&mut self, filter: &CarrierFilter, paging: &Paging) -> Result<Page<Carrier>, StoreError>;
    async fn insert(&mut self, carrier: &Carrier) -> Result<(), CarrierConflict>;
    /// The stored version becomes one more than `carrier.version`.
    async fn update(&mut self, carrier: &Carrier) -> Result<(), CarrierConflict>;
    async fn delete(&mut self, id: CarrierId) -> Result<(), StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct CarrierFilter {
    pub active: Option<bool>,
    pub partnership_status: Option<PartnershipStatus>,
    pub partnership_tier: Option<PartnershipTier>,
    pub min_performance_score: Option<i32>,
}

/// Why a carrier could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CarrierConflict {
    #[error("the tenant already has a carrier of this name")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
