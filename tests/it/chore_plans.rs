//! The chores of the platform, done every hour, read what they clear away and not all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::jobs::{Done, Job, JobOperations as _, JobOwner, Queue, Ticket, Which};
use fairlead_postgres::{Chore, Cluster, PgSystemStore, Retention};
use serde_json::value::RawValue;
use support::TestDatabase;
use support::database::DatabaseRole;
use uuid::Uuid;

use crate::events::retention::system_by;
use crate::plans::{fill, settled_scans};

/// Two hundred tenants whose things are in use, and some of twelve of them that nobody needs any more.
const FILL: &str = "
INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
SELECT t, t, 'tenant-' || n, 'Tenant ' || n, now(), now()
FROM (SELECT n, ('01930000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS t FROM generate_series(1, 200) n) x;

INSERT INTO users (tenant_id, id, email, name, role, active, is_agent, created_at, updated_at)
SELECT id, id, 'user@a.test', 'User', 'OWNER', true, false, now(), now() FROM tenants;

INSERT INTO sessions (tenant_id, id, user_id, created_at, last_used_at, expires_at)
SELECT t.id, gen_random_uuid(), t.id, now(), now(),
       now() + CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '-2 days' ELSE interval '1 day' END
FROM tenants t, generate_series(1, 150) n;

INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, issued_at)
SELECT tenant_id, gen_random_uuid(), id, id::text::bytea, now() FROM sessions;

INSERT INTO revocations (tenant_id, id, session_id, expires_at)
SELECT tenant_id, gen_random_uuid(), id, expires_at FROM sessions;

INSERT INTO login_failures (key, failures, window_ends_at)
SELECT n::text::bytea, 1, now() + CASE WHEN n < 10 THEN interval '-1 hour' ELSE interval '1 hour' END
FROM generate_series(1, 30000) n;

INSERT INTO idempotency_keys (tenant_id, id, key, actor, request_hash, created_at, expires_at)
SELECT t.id, gen_random_uuid(), n::text, 'system', '', now(),
       now() + CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '-1 hour' ELSE interval '1 day' END
FROM tenants t, generate_series(1, 150) n;

INSERT INTO event_readers (reader, xid, position, moved_at) VALUES ('usage-by-day', '1000000', 0, now());

INSERT INTO inbox (tenant_id, id, consumer, xid, position, handled_at)
SELECT t.id, gen_random_uuid(), 'usage-by-day', '10', n,
       now() - CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '2 hours' ELSE interval '1 minute' END
FROM tenants t, generate_series(1, 150) n;

INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, tried_since, ended_at, created_at)
SELECT t.id, gen_random_uuid(), t.id, t.id, 'lead_created', 'SUCCEEDED', now(),
       now() - CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '40 days' ELSE interval '1 day' END, now()
FROM tenants t, generate_series(1, 150) n;

INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, tried_since, next_at, created_at)
SELECT id, id, id, id, 'lead_created', 'PENDING', now(), now() - interval '1 day', now() FROM tenants;

INSERT INTO webhook_replays (tenant_id, id, webhook_id, place_xid, place_position, until_xid, until_position, state,
                             deliveries, created_at)
SELECT id, id, id, '1', 1, '1', 1, 'RUNNING', 0, now() FROM tenants;

INSERT INTO webhook_replays (tenant_id, id, webhook_id, place_xid, place_position, until_xid, until_position, state,
                             deliveries, created_at, ended_at)
SELECT t.id, gen_random_uuid(), t.id, '1', 1, '1', 1, 'COMPLETED', 0, now(),
       now() - CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '40 days' ELSE interval '1 day' END
FROM tenants t, generate_series(1, 150) n;

INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, finished_at)
SELECT t.id, gen_random_uuid(), (ARRAY['lead-processing', 'imports', 'webhooks', 'maintenance', 'warming'])[1 + n % 5], 'a',
       'null', 1, CASE WHEN n % 2 = 0 THEN 'completed' ELSE 'dead' END,
       now() - CASE WHEN n < 11 AND t.slug < 'tenant-11' THEN interval '40 days' ELSE interval '1 minute' END
FROM tenants t, generate_series(1, 150) n;

INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state)
SELECT id, gen_random_uuid(), 'webhooks', 'a', 'null', kind || id, 1, 'waiting'
FROM tenants, unnest(ARRAY['delivery:', 'replay:']) AS kind WHERE slug >= 'tenant-11';

INSERT INTO operations (tenant_id, id, kind, state, created_by, created_at, finished_at)
SELECT t.id, ('01930000-0003-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'import-leads', 'completed', 'system', now(),
       now() - CASE WHEN n = 1 AND t.slug < 'tenant-11' THEN interval '40 days' ELSE interval '1 day' END
FROM tenants t, generate_series(1, 150) n;

VACUUM ANALYZE sessions;
VACUUM ANALYZE refresh_tokens;
VACUUM ANALYZE revocations;
VACUUM ANALYZE login_failures;
VACUUM ANALYZE idempotency_keys;
VACUUM ANALYZE inbox;
VACUUM ANALYZE webhook_deliveries;
VACUUM ANALYZE webhook_replays;
VACUUM ANALYZE jobs;
VACUUM ANALYZE operations;
";

const RETENTION: Retention = Retention {
    events: None,
    completed_jobs: Duration::from_hours(24),
    dead_jobs: Duration::from_hours(30 * 24),
    webhook_deliveries: time::Duration::days(30),
};

fn job(chore: Chore) -> Job {
    Job {
        ticket: Ticket {
            owner: JobOwner::Platform,
            id: Id::from_uuid(Uuid::nil()),
            fence: 1,
        },
        queue: Queue::Maintenance,
        kind: chore.as_str().to_owned(),
        payload: RawValue::from_string("null".to_owned()).unwrap(),
        unique_key: None,
        waited: std::time::Duration::ZERO,
        attempt: 1,
        max_attempts: 1,
        is_aside: false,
        trace_parent: None,
    }
}

/// What a chore has used that is not in every transaction: indexes of things that are cleared away, and tables read from
/// end to end that are not as good as empty.
async fn used_by(database: &TestDatabase, chore: Chore) -> BTreeSet<String> {
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    let before = settled_scans(&superuser, "fairlead_system").await;
    // What is dated is dated by the database's clock.
    let (system, cluster) = system_by(database, Arc::new(fairlead::SystemClock)).await;
    let handlers = system.maintenance(RETENTION, None);
    let handler = handlers
        .iter()
        .find(|handler| handler.kind() == chore.as_str())
        .unwrap();
    assert_eq!(handler.run(&job(chore)).await.unwrap(), Done::Now);
    cluster.close().await;
    let after = settled_scans(&superuser, "fairlead_system").await;
    let mut small: BTreeMap<String, i64> = BTreeMap::new();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT relname::text, reltuples::bigint FROM pg_class WHERE relkind = 'r'")
            .fetch_all(&superuser)
            .await
            .unwrap();
    small.extend(rows.into_iter().filter(|(_, rows)| *rows < 1_000));
    let is_small = |name: &str| {
        name.strip_prefix("SEQUENTIAL ")
            .is_some_and(|table| small.contains_key(table))
    };
    after
        .into_iter()
        .filter(|(name, scans)| *scans > before.get(name).copied().unwrap_or(0) && !is_small(name))
        .map(|(name, _)| name)
        .collect()
}

#[tokio::test]
async fn each_chore_finds_what_it_clears_away_through_an_index() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;

    for (chore, expected) in [
        (
            Chore::ClearExpired,
            &[
                "revocations_expiry",
                "login_failures_expiry",
                "idempotency_keys_expiry",
                "sessions_expiry",
                "inbox_handled",
            ][..],
        ),
        (Chore::ClearJobs, &["jobs_finished"]),
        (
            Chore::ClearOperations,
            &["operations_open", "operations_finished"],
        ),
        (
            Chore::ClearWebhookDeliveries,
            &[
                "webhook_deliveries_ended",
                "webhook_deliveries_pending",
                "webhook_replays_ended",
                "webhook_replays_running",
                "jobs_unique_key",
            ],
        ),
    ] {
        let used = used_by(&database, chore).await;

        let read_through: Vec<&String> = used
            .iter()
            .filter(|name| name.starts_with("SEQUENTIAL"))
            .collect();
        assert!(read_through.is_empty(), "{}: {used:?}", chore.as_str());
        for index in expected {
            assert!(
                used.contains(*index),
                "{} without {index}: {used:?}",
                chore.as_str()
            );
        }
    }

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for (table, left) in [
        ("sessions", 150 * 200 - 12),
        ("idempotency_keys", 150 * 200 - 12),
        ("inbox", 150 * 200 - 12),
        ("webhook_deliveries", 151 * 200 - 12),
        ("webhook_deliveries WHERE state = 'PENDING'", 200 - 12),
        ("webhook_replays", 151 * 200 - 12),
        ("webhook_replays WHERE state = 'RUNNING'", 200 - 12),
        ("operations", 150 * 200 - 12),
        ("jobs", 150 * 200 - 120 + 2 * (200 - 12)),
        ("login_failures", 30_000 - 9),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(count, left, "{table}");
    }
}

/// Dead jobs, each with a key of its own, in a table of which the planner knows nothing.
const FILL_DEAD: &str = "
ALTER TABLE jobs SET (autovacuum_enabled = false);

INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, finished_at)
SELECT ('01930000-0000-7000-8000-' || lpad(to_hex(n % 20), 12, '0'))::uuid, gen_random_uuid(), 'webhooks', 'deliver', 'null',
       'delivery ' || n, 1, 'dead', now()
FROM generate_series(1, 20000) n;
";

#[tokio::test]
async fn dead_jobs_are_looked_up_by_their_keys_when_they_are_retried() {
    let database = TestDatabase::create().await;
    fill(&database, FILL_DEAD).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    let before = settled_scans(&superuser, "fairlead_system").await;
    let url = |role| database.url(role);
    let config = support::store_config(url(DatabaseRole::App), url(DatabaseRole::System), 1);
    let cluster = Cluster::connect(&config).await.unwrap();
    let system = PgSystemStore::new(Arc::clone(&cluster), &config, support::store_parts());

    let retried = system
        .retry_dead(Queue::Webhooks, &Which::default())
        .await
        .unwrap();
    cluster.close().await;

    assert!(retried.jobs >= 1_000, "{retried:?}");
    let after = settled_scans(&superuser, "fairlead_system").await;
    let scans = |name: &str| after[name] - before[name];
    // A time or two for each five hundred, and not once for each job.
    assert!(scans("jobs_finished") <= 40, "{}", scans("jobs_finished"));
    assert_eq!(scans("SEQUENTIAL jobs"), 0);
    assert!(scans("jobs_dead_key") >= 1_000, "{}", scans("jobs_dead_key"));
}
