//! How kinds of answers are kept that go by other rules than the rest.

use super::{DAY_SECONDS, Key, Kind, range};

macro_rules! stale {
    ($name:literal, $what:literal) => {
        Key::optional(
            concat!("cache.stale_seconds_of.", $name),
            range(0, 30 * DAY_SECONDS),
            concat!(
                "cache.stale_seconds for these answers alone: ",
                $what,
                "; not set: as the others"
            ),
        )
        .unit("s")
    };
}

pub(super) const KEYS: &[Key] = &[
    stale!("leads_list", "pages of leads"),
    stale!("leads_one", "single leads"),
    stale!("leads_statistics", "counts of leads"),
    stale!("leads_search", "searches"),
    stale!("activities_list", "pages of activities"),
    stale!("activities_one", "single activities"),
    stale!("users_list", "pages of users"),
    stale!("users_one", "profiles of users"),
    stale!("agents_list", "pages of agents"),
    stale!("carriers_list", "pages of carriers"),
    stale!("carriers_one", "single carriers"),
    stale!("tenant", "the profile of the tenant"),
    stale!("me", "who the caller is"),
    Key::new(
        "cache.redis.compress",
        Kind::Bool,
        "true",
        "compress answers in Redis above 1 KB",
    ),
    Key::optional(
        "cache.redis.compress_only",
        Kind::Text,
        "which kinds of answers cache.redis.compress means, by their names in cache.ttl_seconds: \
         `leads_list,activities_list`; not set: all",
    ),
];
