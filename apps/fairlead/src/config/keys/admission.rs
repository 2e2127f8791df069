//! Those of how much is done at once.

use super::{Key, Kind, range};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "admission.enabled",
        Kind::Bool,
        "true",
        "limit how many requests work at once, by how much slower the database gets",
    ),
    Key::new(
        "admission.min_limit",
        range(1, 100_000),
        "8",
        "so many requests may work at once however slow the database gets; no more than admission.max_limit",
    )
    .unit("requests"),
    Key::new(
        "admission.max_limit",
        range(0, 100_000),
        "0",
        "no more may work at once however fast it is; 0: as many as connections of role fairlead_app to all nodes",
    )
    .unit("requests"),
    Key::new(
        "admission.slowdown_percent",
        range(110, 1_000),
        "200",
        "how much longer than usual the database may take before the limit sinks; 200: twice as long",
    )
    .unit("%"),
    Key::new(
        "admission.max_wait_ms",
        range(10, 60_000),
        "200",
        "how long a request waits to be let in at the most; who would wait half of this is refused at once, and a quarter \
         where somebody always waits",
    )
    .unit("ms"),
    Key::new(
        "admission.max_waiting",
        range(1, 100_000),
        "1024",
        "how many requests wait to be let in at the most",
    )
    .unit("requests"),
    Key::new(
        "admission.bulk_percent",
        range(1, 100),
        "50",
        "no bulk work begins while more of the limit than this is at work",
    )
    .unit("%"),
    Key::optional(
        "admission.weights",
        Kind::Weights,
        "tenants whose share is another than 1, by id; not set: all have the same",
    ),
    Key::new(
        "admission.errors.begin_percent",
        range(0, 100),
        "10",
        "when so many of the requests of a window fail, bulk work is refused, and answers are given that were kept beyond \
         their time; 0: never",
    )
    .unit("%"),
    Key::new(
        "admission.errors.end_percent",
        range(0, 100),
        "2",
        "when no more than so many fail, that ends, after a window at the earliest",
    )
    .unit("%"),
    Key::new(
        "admission.errors.window_seconds",
        range(1, 3_600),
        "10",
        "how long the requests lie back that are looked at",
    )
    .unit("s"),
];
