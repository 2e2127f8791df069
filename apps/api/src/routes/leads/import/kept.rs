//! Parts of a file that are kept, and dropped again where nothing becomes of them.

use std::sync::Arc;

use fairlead_domain::access::TenantScope;
use fairlead_domain::operations::OperationId;
use fairlead_domain::store::{Store, StoreError, UnitOfWork};

/// The parts that were kept for an operation. While they are no operation's they are dropped with this: also where the
/// client goes away in the middle, which ends its request at whatever it waits for.
#[derive(Debug)]
pub(super) struct KeptParts {
    store: Arc<dyn Store>,
    scope: TenantScope,
    operation: OperationId,
    count: u32,
    are_ours: bool,
}

impl KeptParts {
    pub(super) fn new(store: Arc<dyn Store>, scope: TenantScope, operation: OperationId) -> Self {
        Self {
            store,
            scope,
            operation,
            count: 0,
            are_ours: true,
        }
    }

    pub(super) fn operation(&self) -> OperationId {
        self.operation
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.store.begin_behind(&self.scope).await
    }

    /// Keeps another part by this unit of work.
    pub(super) async fn add(
        &mut self,
        mut uow: Box<dyn UnitOfWork>,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let number = self.count;
        // Counted before: it may be there although no answer comes.
        self.count += 1;
        uow.operations()
            .add_input(self.operation, number, content)
            .await?;
        uow.commit().await.map(drop)
    }

    /// They may be the operation's.
    pub(super) fn release(&mut self) {
        self.are_ours = false;
    }

    /// They have not become the operation's.
    pub(super) fn take_back(&mut self) {
        self.are_ours = true;
    }
}

impl Drop for KeptParts {
    fn drop(&mut self) {
        // Outside the runtime nobody is left to do it but housekeeping: the process ends.
        if !self.are_ours || self.count == 0 || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (store, scope, operation) = (Arc::clone(&self.store), self.scope.clone(), self.operation);
        fairlead_telemetry::spawn(async move {
            if let Err(error) = drop_all(&*store, &scope, operation).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot drop the parts of an upload; housekeeping will");
            }
        });
    }
}

async fn drop_all(store: &dyn Store, scope: &TenantScope, operation: OperationId) -> Result<(), StoreError> {
    loop {
        let mut uow = store.begin_behind(scope).await?;
        let has_more = uow.operations().drop_input(operation).await?;
        uow.commit().await?;
        if !has_more {
            return Ok(());
        }
    }
}
