//! Each list, filter and search reads through the index meant for it, as the application role inside a tenant.
//!
//! The statements are those of the repositories themselves, run ten times each, so that a generic plan shows too; what
//! PostgreSQL used is read from its index counters once the connections are closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fairlead::SystemClock;
use fairlead_domain::Id;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::activities::ActivityFilter;
use fairlead_domain::clock::Clock as _;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{Aggregate, AggregateFilter, EventCursor, EventFilter, EventLog as _};
use fairlead_domain::leads::{AssignedTo, LeadFilter, LeadQuery, LeadSort, SearchText, StatusName};
use fairlead_domain::operations::OperationKind;
use fairlead_domain::paging::{Direction, Paging, Position, SortKey, Start};
use fairlead_domain::store::{Store as _, UnitOfWork};
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use sqlx::{Executor as _, PgPool, Row as _};
use support::TestDatabase;
use support::database::DatabaseRole;
use time::OffsetDateTime;
use uuid::Uuid;

/// The tenant that has most of the leads.
const LARGE: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);

/// 200,000 leads of one tenant and 20,000 of twenty others, with activities on the newest, and the counters of two
/// thousand more.
const FILL: &str = "
INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
SELECT t, t, 'tenant-' || n, 'Tenant ' || n, now(), now()
FROM (SELECT n, ('01930000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS t FROM generate_series(1, 21) n) x;

INSERT INTO users (tenant_id, id, email, name, role, active, is_agent, state, rating, max_open_leads, created_at, updated_at)
SELECT t.id, ('01930000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'agent' || n || '@a.test', 'Agent ' || n,
       'AGENT', true, true, (ARRAY['CA', 'TX', 'NY'])[1 + n % 3], n % 100, 100000, now(), now()
FROM tenants t, generate_series(1, 200) n;

INSERT INTO leads (tenant_id, id, name, email, company, status, close_reason, source, insurance_type, zip_code,
                   quality_score, assigned_to, created_at, updated_at)
SELECT t.id, ('01930000-0002-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       (ARRAY['Ann', 'Bob', 'Cid', 'Dee', 'Eve'])[1 + n % 5] || ' Person' || (n % 1000), 'lead' || n || '@a.test',
       'Company' || (n % 5000), s.status, CASE WHEN s.status = 'CLOSED' THEN 'LOST' END,
       'source' || (n % 20), 'type' || (n % 10), lpad((n % 900)::text, 5, '9'), n % 101,
       CASE WHEN n % 3 > 0 THEN ('01930000-0001-7000-8000-' || lpad(to_hex(1 + n % 200), 12, '0'))::uuid END,
       now() - n * interval '3 minutes', now() - n * interval '2 minutes'
FROM tenants t, generate_series(1, 200000) n,
     LATERAL (SELECT (ARRAY['NEW', 'CONTACTED', 'QUALIFIED', 'CLOSED'])[1 + (n / 7) % 4] AS status) s
WHERE n <= CASE WHEN t.slug = 'tenant-1' THEN 200000 ELSE 1000 END;

INSERT INTO activities (tenant_id, id, lead_id, type, subject, occurred_at, created_at)
SELECT tenant_id, gen_random_uuid(), id, (ARRAY['NOTE', 'CALL', 'EMAIL'])[1 + n % 3], 'Activity ' || n, now(),
       created_at + n * interval '1 second'
FROM leads, generate_series(1, 6) n WHERE tenant_id = '01930000-0000-7000-8000-000000000001' AND id < '01930000-0002-7000-8000-000000004e20';

INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
SELECT t, t, 'counted-' || n, 'Counted ' || n, now(), now()
FROM (SELECT n, ('01930000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid AS t FROM generate_series(1, 2000) n) x;

INSERT INTO lead_statistics (tenant_id, status, slot, leads, created_seconds)
SELECT t.id, status, slot, 1, 0
FROM tenants t, unnest(ARRAY['NEW', 'CONTACTED', 'QUALIFIED', 'CLOSED']) status, generate_series(1, 3) slot
WHERE t.slug LIKE 'counted-%';

INSERT INTO events (tenant_id, id, xid, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
SELECT l.tenant_id, (left(uuid_v7_floor(now())::text, 24) || lpad(to_hex(row_number() OVER ()), 12, '0'))::uuid,
       (3 + row_number() OVER () / 1000)::text::xid8,
       CASE WHEN row_number() OVER () % 10000 = 0 THEN 'lead_deleted' ELSE 'lead_updated' END, 1, 'lead', l.id,
       'system', 'system', jsonb_build_object('after', repeat('x', 400)), l.created_at
FROM leads l WHERE l.id < '01930000-0002-7000-8000-00000000ea60';

VACUUM ANALYZE tenants;
VACUUM ANALYZE events;
VACUUM ANALYZE users;
VACUUM ANALYZE leads;
VACUUM ANALYZE lead_statistics;
VACUUM ANALYZE activities;
";

pub(crate) async fn fill(database: &TestDatabase, data: &'static str) {
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for statement in data.split(";\n") {
        if !statement.trim().is_empty() {
            superuser.execute(statement).await.expect("the data goes in");
        }
    }
}

/// How often each index of the schema was used so far, and each table read from end to end.
async fn scans(pool: &PgPool) -> BTreeMap<String, i64> {
    let rows = pool
        .fetch_all(
            "SELECT indexrelname::text AS name, idx_scan AS scans FROM pg_stat_user_indexes
             UNION ALL SELECT 'SEQUENTIAL ' || relname, seq_scan FROM pg_stat_user_tables",
        )
        .await
        .expect("the statistics are there");
    rows.iter()
        .map(|row| (row.get("name"), row.get::<Option<i64>, _>("scans").unwrap_or(0)))
        .collect()
}

/// Waits until the counters have settled: backends report when they exit.
pub(crate) async fn settled_scans(pool: &PgPool, role_is_gone: &str) -> BTreeMap<String, i64> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let connected: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1",
        )
        .bind(role_is_gone)
        .fetch_one(pool)
        .await
        .expect("the activity is there");
        if connected == 0 {
            return scans(pool).await;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the connections of {role_is_gone} do not go away"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs `read` ten times in read units of work of the large tenant, and returns the indexes that were used.
async fn indexes_used(
    database: &TestDatabase,
    superuser: &PgPool,
    read: impl AsyncFn(&mut dyn UnitOfWork),
) -> Vec<String> {
    used_by(database, superuser, async |store, scope| {
        let mut uow = store
            .read(scope, ReadIntent::INTERACTIVE)
            .await
            .expect("a unit of work opens");
        read(&mut *uow).await;
        uow.commit().await.expect("nothing was changed");
    })
    .await
}

/// The same of units of work that write.
async fn indexes_used_writing(
    database: &TestDatabase,
    superuser: &PgPool,
    write: impl AsyncFn(&mut dyn UnitOfWork),
) -> Vec<String> {
    used_by(database, superuser, async |store, scope| {
        let mut uow = store.begin_behind(scope).await.expect("a unit of work opens");
        write(&mut *uow).await;
        uow.commit().await.expect("it is written");
    })
    .await
}

async fn used_by(
    database: &TestDatabase,
    superuser: &PgPool,
    work: impl AsyncFn(&PgStore, &TenantScope),
) -> Vec<String> {
    let before = settled_scans(superuser, "fairlead_app").await;
    let store = support::connect_store(database.url(DatabaseRole::App), 1).await;
    #[expect(clippy::disallowed_methods, reason = "the test is the platform")]
    let scope = SystemScope::new("plan test").tenant(Id::from_uuid(LARGE));
    for _ in 0..10 {
        work(&store, &scope).await;
    }
    store.cluster().close().await;
    let after = settled_scans(superuser, "fairlead_app").await;
    after
        .into_iter()
        .filter(|(name, scans)| *scans > before.get(name).copied().unwrap_or(0))
        .map(|(name, _)| name)
        // What serves foreign keys and the catalog of tenants is not what is asked here.
        .filter(|name| {
            ["lead", "activit", "users", "events", "operation"]
                .iter()
                .any(|known| name.contains(known))
        })
        .collect()
}

fn list(filter: LeadFilter, sort: LeadSort, start: Start) -> LeadQuery {
    LeadQuery {
        filter,
        sort,
        direction: Direction::Descending,
        paging: Paging { start, limit: 50 },
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a table of reads and their indexes, over one set of data"
)]
#[tokio::test]
async fn every_list_filter_and_search_reads_through_its_index() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    let first = || Start::After(None);
    let day = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_500);
    let middle = Start::After(Some(Position {
        key: SortKey::Time(day),
        id: LARGE,
    }));
    let agent = AssignedTo::Agent(Id::from_uuid(Uuid::from_u128(
        0x0193_0000_0001_7000_8000_0000_0000_0005,
    )));
    let none = LeadFilter::default;

    for (what, query, expected) in [
        (
            "newest",
            list(none(), LeadSort::CreatedAt, first()),
            "idx_leads_created",
        ),
        (
            "newest, from the middle",
            list(none(), LeadSort::CreatedAt, middle.clone()),
            "idx_leads_created",
        ),
        (
            "last changed",
            list(none(), LeadSort::UpdatedAt, first()),
            "idx_leads_updated",
        ),
        (
            "best scored",
            list(none(), LeadSort::QualityScore, first()),
            "idx_leads_score",
        ),
        (
            "closed",
            list(
                LeadFilter {
                    status: Some(StatusName::Closed),
                    ..none()
                },
                LeadSort::CreatedAt,
                first(),
            ),
            "idx_leads_status_created",
        ),
        (
            "closed, from the middle",
            list(
                LeadFilter {
                    status: Some(StatusName::Closed),
                    ..none()
                },
                LeadSort::CreatedAt,
                middle,
            ),
            "idx_leads_status_created",
        ),
        (
            "of an agent",
            list(
                LeadFilter {
                    assigned_to: Some(agent),
                    ..none()
                },
                LeadSort::CreatedAt,
                first(),
            ),
            "idx_leads_assigned_created",
        ),
        (
            "of a zip code and insurance type",
            list(
                LeadFilter {
                    zip_code: Some("99123".to_owned()),
                    insurance_type: Some("type3".to_owned()),
                    ..none()
                },
                LeadSort::CreatedAt,
                first(),
            ),
            "idx_leads_zip_insurance",
        ),
    ] {
        let used = indexes_used(&database, &superuser, async |uow| {
            let page = uow.leads().list(&query).await.expect("the list is read");
            assert!(!page.items.is_empty(), "{what} finds nothing");
        })
        .await;
        assert_eq!(used, [expected], "{what}");
    }

    // A numbered page tells how long the list is without reading it, where the counters know.
    for (what, status, expected) in [
        ("all", None, ["idx_leads_created", "lead_statistics_pkey"]),
        (
            "closed",
            Some(StatusName::Closed),
            ["idx_leads_status_created", "lead_statistics_pkey"],
        ),
    ] {
        let filter = LeadFilter { status, ..none() };
        let query = list(filter, LeadSort::CreatedAt, Start::Page(0));
        let used = indexes_used(&database, &superuser, async |uow| {
            let page = uow.leads().list(&query).await.expect("the page is read");
            assert!(page.total.is_some_and(|total| total >= 40_000), "{what}");
        })
        .await;
        assert_eq!(used, expected, "{what}");
    }

    // Which index is best for these depends on how many leads match; from end to end none may be read.
    for (what, filter) in [
        (
            "of a source",
            LeadFilter {
                source: Some("source3".to_owned()),
                ..none()
            },
        ),
        (
            "of an insurance type",
            LeadFilter {
                insurance_type: Some("type3".to_owned()),
                ..none()
            },
        ),
        (
            "well scored",
            LeadFilter {
                min_score: Some(90),
                ..none()
            },
        ),
        (
            "nobody's",
            LeadFilter {
                assigned_to: Some(AssignedTo::Nobody),
                ..none()
            },
        ),
        (
            "of a time",
            LeadFilter {
                created_after: Some(day),
                ..none()
            },
        ),
        (
            "found by a word",
            LeadFilter {
                text: SearchText::parse("person12").ok(),
                ..none()
            },
        ),
    ] {
        let query = list(filter, LeadSort::CreatedAt, first());
        let used = indexes_used(&database, &superuser, async |uow| {
            let page = uow.leads().list(&query).await.expect("the list is read");
            assert!(!page.items.is_empty(), "{what} finds nothing");
        })
        .await;
        assert!(
            !used.is_empty() && used.iter().all(|index| !index.contains("SEQUENTIAL")),
            "{what}: {used:?}"
        );
    }

    let used = indexes_used(&database, &superuser, async |uow| {
        let filter = fairlead_domain::identity::AgentFilter {
            available: Some(true),
            ..Default::default()
        };
        let agents = uow
            .users()
            .list_agents(&filter, &Paging::first(50))
            .await
            .expect("the agents are read");
        assert_eq!(agents.items.len(), 50);
    })
    .await;
    // A tenant's users fit into a few pages: any index that leads with the tenant will do.
    assert!(
        !used.is_empty() && used.iter().all(|index| !index.contains("SEQUENTIAL")),
        "agents: {used:?}"
    );

    let text = SearchText::parse("ann person12").expect("words");
    let used = indexes_used(&database, &superuser, async |uow| {
        assert!(
            !uow.leads()
                .search(&text, 50)
                .await
                .expect("the search is done")
                .is_empty()
        );
    })
    .await;
    assert_eq!(used, ["idx_leads_search", "leads_pkey"], "search");

    // So too in a table that was never analysed, for a word of which there is no match.
    for forget in [
        "DELETE FROM pg_statistic WHERE starelid = 'leads'::regclass",
        "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'leads'::regclass",
        "UPDATE pg_class SET reltuples = 0, relpages = 2
         WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'leads'::regclass)",
        // Rows that are in the index but not yet sorted into it make it look dear.
        "UPDATE leads SET company = company || '!' WHERE tenant_id = '01930000-0000-7000-8000-000000000001'
         AND id < '01930000-0002-7000-8000-000000004e20'",
    ] {
        superuser.execute(forget).await.expect("statistics are forgotten");
    }
    let text = SearchText::parse("nobody").expect("a word");
    let used = indexes_used(&database, &superuser, async |uow| {
        let found = uow.leads().search(&text, 50).await.expect("the search is done");
        assert!(found.is_empty());
    })
    .await;
    // What the search before has used may be counted late.
    assert!(
        used.iter()
            .all(|index| ["idx_leads_search", "leads_pkey"].contains(&index.as_str()))
            && !used.is_empty(),
        "search without statistics: {used:?}"
    );
    superuser
        .execute("ANALYZE leads")
        .await
        .expect("the table is analysed");

    let used = indexes_used(&database, &superuser, async |uow| {
        let query = list(LeadFilter::default(), LeadSort::CreatedAt, Start::After(None));
        let page = uow.leads().list(&query).await.expect("the list is read");
        let ids: Vec<_> = page.items.iter().map(|lead| lead.id).collect();
        let newest = uow
            .activities()
            .newest(&ids, 5)
            .await
            .expect("the activities are read");
        assert!(newest.values().all(|activities| activities.len() <= 5));
    })
    .await;
    assert_eq!(
        used,
        ["idx_activities_tenant_lead_time", "idx_leads_created"],
        "with activities"
    );

    let used = indexes_used(&database, &superuser, async |uow| {
        let now = uow.now();
        let statistics = uow.leads().statistics(now).await;
        assert_eq!(statistics.expect("the counters are read").total(), 200_000);
    })
    .await;
    assert_eq!(used, ["lead_statistics_pkey"], "statistics");

    let used = indexes_used(&database, &superuser, async |uow| {
        let usage = uow.tenants().usage().await.expect("the tenant is counted");
        assert_eq!(usage.leads, 200_000);
    })
    .await;
    assert!(
        used.iter().all(|name| !name.contains("leads")) && used.contains(&"lead_statistics_pkey".to_owned()),
        "usage reads no lead: {used:?}"
    );

    for (what, filter, expected) in [
        ("activities", ActivityFilter::default(), "idx_activities_created"),
        (
            "activities of a lead",
            ActivityFilter {
                lead: Some(Id::from_uuid(Uuid::from_u128(
                    0x0193_0000_0002_7000_8000_0000_0000_0005,
                ))),
                ..ActivityFilter::default()
            },
            "idx_activities_tenant_lead_time",
        ),
        (
            "calls",
            ActivityFilter {
                kind: Some(fairlead_domain::activities::ActivityKind::Call),
                ..ActivityFilter::default()
            },
            "idx_activities_type",
        ),
    ] {
        let used = indexes_used(&database, &superuser, async |uow| {
            let page = uow
                .activities()
                .list(&filter, &Paging::first(50))
                .await
                .expect("the list is read");
            assert!(!page.items.is_empty(), "{what} finds nothing");
        })
        .await;
        assert_eq!(used, [expected], "{what}");
    }
}

#[tokio::test]
async fn the_log_is_read_through_its_indexes() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    let one = AggregateFilter {
        aggregate: Aggregate::Lead,
        id: Some(Uuid::from_u128(0x0193_0000_0002_7000_8000_0000_0000_0005)),
    };
    let middle = EventCursor { xid: 30, position: 0 };

    for (what, filter, after, expected) in [
        (
            "from the beginning",
            EventFilter::default(),
            EventCursor::START,
            &["tenant_id_xid_position"][..],
        ),
        (
            "from the middle",
            EventFilter::default(),
            middle,
            &["tenant_id_xid_position"],
        ),
        (
            "of one lead",
            EventFilter {
                aggregate: Some(one),
                ..EventFilter::default()
            },
            EventCursor::START,
            &["tenant_id_aggregate_type", "tenant_id_xid_position"],
        ),
        (
            "of a rare type",
            EventFilter {
                types: vec!["lead_deleted".to_owned()],
                aggregate: None,
            },
            EventCursor::START,
            &["tenant_id_xid_position"],
        ),
        (
            "of several types",
            EventFilter {
                types: vec!["lead_deleted".to_owned(), "lead_restored".to_owned()],
                aggregate: None,
            },
            EventCursor::START,
            &["tenant_id_xid_position"],
        ),
    ] {
        let used = indexes_used(&database, &superuser, async |uow| {
            let page = uow
                .events()
                .after(&filter, Some(after), 50)
                .await
                .expect("the log is read");
            let is_found = !page.events.is_empty() || page.has_more;
            assert!(is_found, "{what} finds nothing");
        })
        .await;
        // Each partition has an index of its own, named after its columns; most are empty, and an empty table is read
        // from end to end.
        let full = used.iter().filter(|name| name.contains(&full_partition()));
        let full: Vec<&String> = full.collect();
        assert!(
            full.len() == expected.len()
                && full
                    .iter()
                    .zip(expected)
                    .all(|(name, columns)| name.contains(columns)),
            "{what}: {used:?}"
        );
    }
}

/// However rare what is wanted is: it is looked for among a bounded number of events.
#[tokio::test]
async fn whoever_goes_along_the_log_looks_at_it_in_its_order_alone() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    for types in [&["lead_deleted"][..], &["lead_deleted", "lead_restored"]] {
        let filter = EventFilter {
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            aggregate: None,
        };

        let used = indexes_used(&database, &superuser, async |uow| {
            uow.events()
                .after(&filter, Some(EventCursor::START), 50)
                .await
                .expect("the log is read");
        })
        .await;

        let full: Vec<&String> = used
            .iter()
            .filter(|name| name.contains(&full_partition()))
            .collect();
        assert!(
            full.len() == 1 && full[0].contains("tenant_id_xid_position"),
            "{types:?}: {used:?}"
        );
    }
}

#[tokio::test]
async fn the_log_of_all_tenants_is_read_through_its_index() {
    let database = TestDatabase::create().await;
    fill(&database, FILL).await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    let before = settled_scans(&superuser, "fairlead_system").await;
    let config = support::store_config(
        database.url(DatabaseRole::App),
        database.url(DatabaseRole::System),
        1,
    );
    let cluster = Cluster::connect(&config).await.expect("the roles can connect");
    let system = PgSystemStore::new(Arc::clone(&cluster), &config, support::store_parts());
    let mut after = EventCursor::START;

    for _ in 0..10 {
        let stretch = system.read(after, 500).await.expect("the log is read");
        assert_eq!(stretch.events.len(), 500);
        after = stretch.events.last().expect("there are many").cursor;
    }
    // Where every reader stands nearly always.
    let end = system.end().await.expect("the end is found");
    for _ in 0..10 {
        let stretch = system.read(end, 500).await.expect("the log is read");
        assert!(stretch.events.is_empty() && !stretch.is_held);
    }
    cluster.close().await;

    let now = settled_scans(&superuser, "fairlead_system").await;
    let used: Vec<String> = now
        .into_iter()
        .filter(|(name, scans)| {
            name.contains(&full_partition()) && *scans > before.get(name).copied().unwrap_or(0)
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(used, [format!("{}_greatest_position_idx", full_partition())]);
}

/// The partition of this month, where the events are.
fn full_partition() -> String {
    let now = SystemClock.now();
    format!("events_{}_{:02}", now.year(), u8::from(now.month()))
}

/// Operations of two hundred tenants, nearly all of which have ended; some have faults, and input that is not done.
const FILL_OPERATIONS: &str = "
INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
SELECT t, t, 'tenant-' || n, 'Tenant ' || n, now(), now()
FROM (SELECT n, ('01930000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS t FROM generate_series(1, 200) n) x;

INSERT INTO operations (tenant_id, id, kind, state, created_by, created_at, finished_at, faults)
SELECT t.id, ('01930000-0003-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'import-leads',
       CASE WHEN n > 1 THEN 'completed' ELSE 'queued' END, 'system', now() - n * interval '1 minute',
       CASE WHEN n > 1 THEN now() END, 100
FROM tenants t, generate_series(1, 100) n;

INSERT INTO operation_faults (tenant_id, id, operation_id, number, line, field, reason)
SELECT o.tenant_id, gen_random_uuid(), o.id, n, n, 'email', 'a reason'
FROM operations o, generate_series(0, 99) n WHERE o.id < '01930000-0003-7000-8000-00000000000b';

INSERT INTO operation_inputs (tenant_id, id, operation_id, number, size_bytes, content)
SELECT o.tenant_id, gen_random_uuid(), o.id, n, 100, repeat('x', 100)::bytea
FROM operations o, generate_series(0, 99) n WHERE o.id < '01930000-0003-7000-8000-00000000000b';

INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, content)
SELECT o.tenant_id, gen_random_uuid(), o.id, n, 100, repeat('x', 100)::bytea
FROM operations o, generate_series(0, 99) n WHERE o.id < '01930000-0003-7000-8000-00000000000b';

VACUUM ANALYZE operations;
VACUUM ANALYZE operation_faults;
VACUUM ANALYZE operation_inputs;
VACUUM ANALYZE operation_outputs;";

#[tokio::test]
async fn operations_and_what_they_have_to_do_are_found_through_their_indexes() {
    let database = TestDatabase::create().await;
    let superuser = database.pool(DatabaseRole::Superuser, 1).await;
    fill(&database, FILL_OPERATIONS).await;
    let waiting = Id::from_uuid(Uuid::from_u128(0x0193_0000_0003_7000_8000_0000_0000_0001));

    let used = indexes_used(&database, &superuser, async |uow| {
        let page = uow
            .operations()
            .list(&OperationKind::ALL, &Paging::first(20))
            .await;
        assert_eq!(page.expect("the list is read").items.len(), 20);
    })
    .await;
    assert_eq!(
        used,
        ["operation_outputs_files", "operations_newest"],
        "the list, and which of them have files"
    );

    let used = indexes_used(&database, &superuser, async |uow| {
        let found = uow.operations().find(waiting, &OperationKind::ALL).await;
        assert_eq!(found.expect("it is read").expect("it is there").faults.len(), 100);
    })
    .await;
    assert_eq!(
        used,
        ["operation_faults_number", "operations_pkey"],
        "one with its faults"
    );

    let used = indexes_used(&database, &superuser, async |uow| {
        for (kind, counted) in [(OperationKind::ImportLeads, 1), (OperationKind::ExportLeads, 0)] {
            let open = uow.operations().count_open(kind).await.expect("they are counted");
            let bytes = uow.operations().kept_bytes(kind).await.expect("it is added up");
            assert_eq!((open, bytes), (counted, 100_000));
        }
    })
    .await;
    assert_eq!(
        used,
        [
            "operation_inputs_size",
            "operation_outputs_size",
            "operations_open"
        ],
        "what limits are for"
    );

    let used = indexes_used_writing(&database, &superuser, async |uow| {
        let part = uow.operations().take_input(waiting).await.expect("one is taken");
        assert_eq!(part.expect("there is one").len(), 100);
        assert!(uow.operations().has_input(waiting).await.expect("it is looked"));
    })
    .await;
    assert_eq!(used, ["operation_inputs_number"], "a part");

    let used = indexes_used_writing(&database, &superuser, async |uow| {
        uow.operations()
            .drop_input(waiting)
            .await
            .expect("some are dropped");
    })
    .await;
    assert_eq!(used, ["operation_inputs_number"], "parts");

    let used = indexes_used(&database, &superuser, async |uow| {
        let operation = uow.operations().look(waiting, &OperationKind::ALL).await;
        assert!(operation.expect("it is looked at").is_some());
    })
    .await;
    assert_eq!(used, ["operations_pkey"], "progress");

    let used = indexes_used(&database, &superuser, async |uow| {
        let outputs = uow.operation_outputs();
        let end = outputs.end(waiting).await.expect("it is looked");
        assert_eq!(end.expect("there are parts").number, 99);
        let part = outputs.find(waiting, 50).await.expect("one is read");
        assert_eq!(part.expect("it is there").len(), 100);
        let size = outputs.size(waiting).await.expect("it is added up");
        assert_eq!((size.parts, size.bytes), (100, 10_000));
    })
    .await;
    assert_eq!(used, ["operation_outputs_number"], "a file");

    let used = indexes_used_writing(&database, &superuser, async |uow| {
        let outputs = uow.operation_outputs();
        outputs.drop_some(waiting).await.expect("some are dropped");
    })
    .await;
    assert_eq!(used, ["operation_outputs_number"], "the end of a file");
}
