use std::fmt::Debug;

use async_trait::async_trait;
use uuid::Uuid;

use crate::store::StoreError;

/// The other processes of the installation.
#[async_trait]
pub trait OtherProcesses: Debug + Send + Sync {
    /// Has whichever process has a connection end it. Nobody says whether one has it, and one that cannot be reached at this
    /// moment does not hear.
    async fn end_connection(&self, connection: Uuid) -> Result<(), StoreError>;
}
