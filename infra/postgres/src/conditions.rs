//! The server's settings, extensions on offer and clock, as far as they matter to us: for `fairlead doctor`.

use std::collections::BTreeMap;

use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use crate::PgSystemStore;
use crate::error::SqlError;

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The server's clock when it answered.
    pub now: OffsetDateTime,
    /// Settings as they hold for the system role, by name, in the unit of `pg_settings`; those it may not see are absent.
    pub settings: BTreeMap<String, String>,
    /// Extensions that could be created.
    pub available_extensions: Vec<String>,
}

/// The settings that are looked at.
const SETTINGS: [&str; 7] = [
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "max_connections",
    "superuser_reserved_connections",
    "idle_in_transaction_session_timeout",
    "shared_preload_libraries",
];

// The last column is null for a setting that only some roles may see.
const READ_SETTINGS: &str =
    "SELECT name, current_setting(name, true) FROM unnest($1::text[]) AS wanted (name)";
const NOW: &str = "SELECT clock_timestamp()";
const AVAILABLE: &str = "SELECT name::text FROM pg_available_extensions ORDER BY name";

/// Asks the server.
pub async fn conditions(system: &PgSystemStore) -> Result<Conditions, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let connection = system.cluster().system();
    let names: Vec<String> = SETTINGS.iter().map(|&name| name.to_owned()).collect();
    let mut settings = BTreeMap::new();
    for row in connection.sql(READ_SETTINGS).bind(names).fetch_all().await? {
        settings.insert(row.try_get(0).map_err(get)?, row.try_get(1).map_err(get)?);
    }
    let mut available_extensions = Vec::new();
    for row in connection.sql(AVAILABLE).fetch_all().await? {
        available_extensions.push(row.try_get(0).map_err(get)?);
    }
    // Last, so that only one round trip lies between this clock and the caller's.
    let now = connection.sql(NOW).fetch_one().await?.try_get(0).map_err(get)?;
    Ok(Conditions {
        now,
        settings,
        available_extensions,
    })
}
