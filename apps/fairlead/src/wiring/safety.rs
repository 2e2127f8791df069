//! What must hold before the first request: else the process refuses to serve.

use anyhow::{Context as _, bail};
use fairlead_migrations::status;
use fairlead_postgres::safety::{Fault, inspect};

use crate::database::Database;
use crate::stores::Stores;

/// Refuses a database that lacks what this version of the code needs. One that has more is fine: an earlier version
/// serves on while a later one is rolled out.
pub(super) async fn require_current_schema(database: &Database) -> anyhow::Result<()> {
    let progress = status(database.urls().system.expose())
        .await
        .context("cannot look at the schema")?;
    if progress.pending.is_empty() {
        return Ok(());
    }
    bail!(
        "the schema of the database is older than this program: {} steps are pending; run `fairlead migrate`, or set \
         database.migrate_on_start",
        progress.pending.len(),
    )
}

/// Refuses roles and tables by which a request could reach another tenant's rows.
pub(super) async fn require_safe(stores: &Stores) -> anyhow::Result<()> {
    let faults = inspect(&stores.store, &stores.system)
        .await
        .context("cannot inspect roles and tables")?;
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "refusing to serve: the database does not keep tenants apart\n{}",
        for_people(&faults)
    )
}

fn for_people(faults: &[Fault]) -> String {
    let line = |fault: &Fault| format!("  {}\n    mend it: {}", fault.what, fault.mend_sql);
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_what_mends_it() {
        let fault = |what: &str, mend_sql: &str| Fault {
            what: what.to_owned(),
            mend_sql: mend_sql.to_owned(),
        };

        let told = for_people(&[
            fault("role a has BYPASSRLS", "ALTER ROLE a NOBYPASSRLS;"),
            fault("b", "c;"),
        ]);

        assert_eq!(
            told,
            "  role a has BYPASSRLS\n    mend it: ALTER ROLE a NOBYPASSRLS;\n  b\n    mend it: c;"
        );
    }
}
