use super::Tenant;
use super::snapshot::TenantSnapshot;
use crate::Expected;
use crate::access::{ManageTenant, Permit};
use crate::events::{Aggregate, Recorded};
use crate::invalid::Invalid;
use crate::store::{StoreError, UnitOfWork};
use crate::text;

#[derive(Clone, Debug)]
pub struct RenameTenant {
    pub name: String,
}

impl RenameTenant {
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let name = text::line(name, 200).map_err(|error| Invalid::field("name", error.to_string()))?;
        Ok(Self { name })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RenameTenantError {
    #[error("the tenant has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Renames the tenant; its slug stays.
pub async fn rename_tenant(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageTenant>,
    expected: Expected,
    cmd: RenameTenant,
) -> Result<Tenant, RenameTenantError> {
    let before = uow.tenants().get_for_update().await?;
    if !expected.matches(before.revision()) {
        return Err(RenameTenantError::Stale {
            current: before.version,
        });
    }
    if before.name == cmd.name {
        return Ok(before);
    }
    let mut after = Tenant {
        name: cmd.name,
        updated_at: uow.now(),
        ..before.clone()
    };
    uow.tenants().update(&after).await?;
    after.version += 1;
    uow.record(
        Recorded::new(
            "tenant_updated",
            Aggregate::Tenant,
            after.id.as_uuid(),
            permit.actor(),
        )
        .before(&TenantSnapshot::from(&before))
        .after(&TenantSnapshot::from(&after)),
    );
    Ok(after)
}
