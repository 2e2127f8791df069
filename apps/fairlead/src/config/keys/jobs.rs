//! Those of jobs, and of each queue the same.

use super::{DAY_SECONDS, Key, joined, range};

/// What a queue has that nobody has configured.
struct Defaults {
    concurrency: &'static str,
    priority: &'static str,
    attempts: &'static str,
    backoff_ms: &'static str,
    max_backoff_ms: &'static str,
    timeout_ms: &'static str,
}

macro_rules! queue {
    ($name:literal, $defaults:expr) => {{
        const DEFAULTS: Defaults = $defaults;
        [
            Key::new(
                concat!("jobs.", $name, ".concurrency"),
                range(0, 1000),
                DEFAULTS.concurrency,
                "jobs of this queue that the process does at once; 0: it leaves them to other processes",
            ),
            Key::new(
                concat!("jobs.", $name, ".priority"),
                range(0, 1000),
                DEFAULTS.priority,
                "where jobs of this queue stand whose kind does not say; of the jobs of one tenant the lowest is first",
            ),
            Key::new(
                concat!("jobs.", $name, ".attempts"),
                range(1, 100),
                DEFAULTS.attempts,
                "how often a job of this queue is tried before it is a dead letter",
            ),
            Key::new(
                concat!("jobs.", $name, ".backoff_ms"),
                range(1, 3_600_000),
                DEFAULTS.backoff_ms,
                "the longest pause after a first failure; twice as long after each one more",
            )
            .unit("ms"),
            Key::new(
                concat!("jobs.", $name, ".max_backoff_ms"),
                range(1, 86_400_000),
                DEFAULTS.max_backoff_ms,
                "no pause is longer",
            )
            .unit("ms"),
            Key::new(
                concat!("jobs.", $name, ".timeout_ms"),
                range(1, 86_400_000),
                DEFAULTS.timeout_ms,
                "how long an attempt at a job of this queue may take",
            )
            .unit("ms"),
        ]
    }};
}

const LEAD_PROCESSING: [Key; 6] = queue!(
    "lead_processing",
    Defaults {
        concurrency: "5",
        priority: "1",
        attempts: "3",
        backoff_ms: "1000",
        max_backoff_ms: "60000",
        timeout_ms: "30000",
    }
);
const IMPORTS: [Key; 6] = queue!(
    "imports",
    Defaults {
        concurrency: "2",
        priority: "1",
        attempts: "3",
        backoff_ms: "5000",
        max_backoff_ms: "60000",
        timeout_ms: "300000",
    }
);
// The pauses are those of deliveries, which are tried for a day; the attempts are those of replays.
const WEBHOOKS: [Key; 6] = queue!(
    "webhooks",
    Defaults {
        // An attempt holds nothing but a connection to its receiver.
        concurrency: "50",
        priority: "1",
        attempts: "27",
        backoff_ms: "5000",
        max_backoff_ms: "7200000",
        timeout_ms: "30000",
    }
);
const MAINTENANCE: [Key; 6] = queue!(
    "maintenance",
    Defaults {
        concurrency: "2",
        priority: "1",
        attempts: "3",
        backoff_ms: "5000",
        max_backoff_ms: "60000",
        timeout_ms: "600000",
    }
);
const WARMING: [Key; 6] = queue!(
    "warming",
    Defaults {
        concurrency: "1",
        priority: "1",
        attempts: "2",
        backoff_ms: "1000",
        max_backoff_ms: "10000",
        timeout_ms: "300000",
    }
);

// The pauses are those of payments, which are tried for a day, and of subscribers; the attempts are those of the latter.
const INTEGRATIONS: [Key; 6] = queue!(
    "integrations",
    Defaults {
        concurrency: "10",
        priority: "1",
        attempts: "10",
        backoff_ms: "1000",
        max_backoff_ms: "600000",
        timeout_ms: "60000",
    }
);

const GENERAL: [Key; 5] = [
    Key::new(
        "jobs.sweep_ms",
        range(10, 60_000),
        "1000",
        "how often it is looked which jobs and schedules are due, and whose workers are gone",
    )
    .unit("ms"),
    Key::new(
        "jobs.lease_ms",
        range(300, 600_000),
        "30000",
        "a job whose worker has said nothing for so long is put back; workers speak three times as often",
    )
    .unit("ms"),
    Key::new(
        "jobs.stop_timeout_ms",
        range(0, 600_000),
        "10000",
        "how long jobs under way may take to finish once the process stops; those that do not are given back",
    )
    .unit("ms"),
    Key::new(
        "jobs.completed_retention_seconds",
        range(0, 365 * DAY_SECONDS),
        "86400",
        "how long jobs that are done can be looked at",
    )
    .unit("s"),
    Key::new(
        "jobs.dead_retention_seconds",
        range(0, 3650 * DAY_SECONDS),
        "2592000",
        "how long jobs that were given up can be looked at, and retried",
    )
    .unit("s"),
];

pub(super) const KEYS: &[Key] = {
    const PARTS: [&[Key]; 7] = [
        &GENERAL,
        &LEAD_PROCESSING,
        &IMPORTS,
        &WEBHOOKS,
        &MAINTENANCE,
        &WARMING,
        &INTEGRATIONS,
    ];
    const ALL: [Key; GENERAL.len() + 6 * WARMING.len()] = joined(&PARTS);
    &ALL
};
