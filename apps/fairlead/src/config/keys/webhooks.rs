//! Those of webhooks. How they are tried again is said by the keys of their queue: `jobs.webhooks.…`.

use super::{Key, Kind, range};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "webhooks.max_per_tenant",
        range(0, 1000),
        "50",
        "how many webhooks a tenant may have; each sends every event that it wants",
    ),
    Key::new(
        "webhooks.connect_timeout_ms",
        range(1, 60_000),
        "5000",
        "how long a connection to a receiver may take",
    )
    .unit("ms"),
    Key::new(
        "webhooks.timeout_ms",
        range(1, 60_000),
        "15000",
        "how long a receiver may take to answer, from the lookup of its name; less than jobs.webhooks.timeout_ms",
    )
    .unit("ms"),
    Key::new(
        "webhooks.delivery_retention_days",
        range(1, 3660),
        "30",
        "how long it can be looked at what became of deliveries",
    )
    .unit("days"),
    Key::new(
        "webhooks.allow_http",
        Kind::Bool,
        "false",
        "whether receivers may be called without TLS: for development",
    ),
    Key::optional(
        "webhooks.denied_networks",
        Kind::Networks,
        "addresses that receivers must not have, beside the private ones: what is public by its address, and reached from \
         here alone",
    ),
    Key::optional(
        "webhooks.allowed_networks",
        Kind::Networks,
        "private addresses that receivers may have all the same: whoever manages webhooks in any tenant can have requests \
         sent there",
    ),
];
