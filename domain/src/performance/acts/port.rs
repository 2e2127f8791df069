use std::fmt::{self, Debug};

use async_trait::async_trait;

use super::{Act, ActId, Progress, WhichActs};
use crate::store::StoreError;

/// The ledger: one for all processes.
#[async_trait]
pub trait Acts: Send {
    /// Puts one down, unless another one of its kind and subject is not over: returns the id of that then.
    async fn insert(&mut self, act: &Act) -> Result<Option<ActId>, StoreError>;

    async fn find(&mut self, id: ActId) -> Result<Option<Act>, StoreError>;

    /// The same, and has all others who would change it wait until this unit of work has ended.
    async fn hold(&mut self, id: ActId) -> Result<Option<Act>, StoreError>;

    /// The newest first, from the one behind `before` on.
    async fn list(
        &mut self,
        which: &WhichActs,
        before: Option<ActId>,
        limit: u32,
    ) -> Result<Vec<Act>, StoreError>;

    /// Changes one that is not over; returns whether it was not.
    async fn update(&mut self, act: &Act) -> Result<bool, StoreError>;
}

/// Does what the owner of the tables alone may.
#[async_trait]
pub trait Maintainer: Debug + Send + Sync {
    /// Begins; `None`: somebody is at it, in this process or in another one.
    async fn begin(&self) -> Result<Option<Maintaining>, MaintenanceError>;
}

/// The right to do something, until it is dropped: what is under way then is broken off.
pub struct Maintaining {
    pub session: Box<dyn MaintenanceSession>,
    pub progress: Box<dyn MaintenanceProgress>,
}

impl fmt::Debug for Maintaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintaining").finish_non_exhaustive()
    }
}

/// One statement after the other, each outside a transaction.
#[async_trait]
pub trait MaintenanceSession: Send {
    /// Clears away the dead rows of a table, and has it analysed; of a partitioned one, of all partitions.
    async fn vacuum(&mut self, table: &str) -> Result<(), MaintenanceError>;

    /// What there is of this name; `None`: nothing.
    async fn index(&mut self, name: &str) -> Result<Option<BuiltIndex>, MaintenanceError>;

    /// The names of indexes that begin so.
    async fn indexes(&mut self, prefix: &str) -> Result<Vec<String>, MaintenanceError>;

    /// Builds an index while others write. Broken off, it leaves one that is not valid.
    async fn build_index(&mut self, name: &str, definition: &str) -> Result<(), MaintenanceError>;

    async fn rename_index(&mut self, from: &str, to: &str) -> Result<(), MaintenanceError>;

    /// Drops an index while others write, if it is there.
    async fn drop_index(&mut self, name: &str) -> Result<(), MaintenanceError>;
}

/// Looks on from beside.
#[async_trait]
pub trait MaintenanceProgress: Send {
    /// How far what is under way has come; `None`: the server does not say.
    async fn look(&mut self) -> Result<Option<Progress>, MaintenanceError>;
}

/// An index that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIndex {
    pub is_valid: bool,
    pub bytes: u64,
    /// How often it was used, on the primary.
    pub scans: u64,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// It is not done, and will not be when it is tried again.
    #[error("{0}")]
    Refused(String),
    /// It would wait too long for somebody.
    #[error("somebody has the table locked, or a transaction stays open: {0}")]
    Locked(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}
