//! What pools of connections have besides their sizes.

use super::{Key, range};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "database.pool.destroy_timeout_ms",
        range(10, 60_000),
        "5000",
        "how long it may take to be rid of a connection, to any node, whose statement nobody waits for",
    )
    .unit("ms"),
    Key::new(
        "database.pool.reap_interval_ms",
        range(10, 60_000),
        "1000",
        "how often connections that are idle or worn are looked for in all pools, and those opened that are missing",
    )
    .unit("ms"),
    Key::new(
        "database.pool.create_retry_interval_ms",
        range(10, 60_000),
        "200",
        "how long the start waits between two tries to connect to a database that is not there yet",
    )
    .unit("ms"),
    Key::optional(
        "database.system_pool.acquire_timeout_ms",
        range(10, 60_000),
        "how long work across tenants waits for a connection; not set: as database.pool.acquire_timeout_ms",
    )
    .unit("ms"),
    Key::optional(
        "database.system_pool.create_timeout_ms",
        range(10, 60_000),
        "how long opening a connection of role fairlead_system may take; not set: as database.pool.create_timeout_ms",
    )
    .unit("ms"),
    Key::optional(
        "database.system_pool.idle_timeout_ms",
        range(1000, 86_400_000),
        "when an unused connection of role fairlead_system above the minimum is closed; not set: as \
         database.pool.idle_timeout_ms",
    )
    .unit("ms"),
    Key::optional(
        "database.system_pool.max_lifetime_ms",
        range(10_000, 86_400_000),
        "when a connection of role fairlead_system is replaced by a new one; not set: as \
         database.pool.max_lifetime_ms",
    )
    .unit("ms"),
    Key::optional(
        "database.system_pool.max_uses",
        range(1, 1_000_000_000),
        "after how many uses a connection of role fairlead_system is replaced; not set: as database.pool.max_uses",
    )
    .unit("uses"),
];
