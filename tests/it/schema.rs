//! What every table must look like, asked of the catalog: so a table that is added tomorrow is held to it too.

use sqlx::PgConnection;
use support::TestDatabase;
use support::database::DatabaseRole;

/// Tables without a tenant. The application role can reach none of them.
const PLATFORM_TABLES: [&str; 8] = [
    "event_readers",
    "job_pauses",
    "job_queues",
    "job_schedules",
    "login_failures",
    "operators",
    "plan_limits",
    "seaql_migrations",
];

/// Indexes that do not lead with the tenant, and why.
const OTHER_LEADING_COLUMNS: [(&str, &str); 26] = [
    (
        "billing_customers_provider",
        "what the payment provider tells names its customer alone",
    ),
    (
        "billing_events_received",
        "housekeeping clears all tenants by age",
    ),
    ("credentials_email", "login knows no tenant yet"),
    ("events_cursor", "the relay reads all tenants in commit order"),
    (
        "idempotency_keys_expiry",
        "housekeeping clears all tenants by age",
    ),
    ("inbox_handled", "housekeeping clears all tenants by age"),
    (
        "inbox_put_aside",
        "housekeeping keeps months of which something is still to be handled",
    ),
    ("jobs_dead", "operators look at queues of all tenants"),
    ("jobs_delayed", "workers look what has become due, of all tenants"),
    ("jobs_finished", "operators look at queues of all tenants"),
    (
        "jobs_leases",
        "workers look whose lease has lapsed, of all tenants",
    ),
    ("jobs_newest", "operators look at queues of all tenants"),
    ("jobs_waiting", "workers look which tenant's turn it is"),
    ("operations_finished", "housekeeping clears all tenants by age"),
    (
        "revocations_expiry",
        "every process reads the list of all tenants",
    ),
    ("sessions_expiry", "housekeeping clears all tenants by age"),
    (
        "tenant_calls_months",
        "processes look who of all tenants has used up its calls",
    ),
    (
        "tenant_usage_hours",
        "operators look at an hour of all tenants, and housekeeping clears them by age",
    ),
    ("tenants_slug", "a slug names one tenant of the platform"),
    ("usage_reports_done", "housekeeping clears all tenants by age"),
    (
        "usage_reports_waiting",
        "what waits to be reported is told in turn, of all tenants",
    ),
    (
        "web_vitals_ages",
        "housekeeping makes days of hours of all tenants by age",
    ),
    (
        "webhook_deliveries_ended",
        "housekeeping clears all tenants by age",
    ),
    (
        "webhook_deliveries_pending",
        "housekeeping keeps months of which something is still to be sent",
    ),
    ("webhook_replays_ended", "housekeeping clears all tenants by age"),
    (
        "webhooks_old_secrets",
        "housekeeping forgets secrets of all tenants by age",
    ),
];

async fn column(database: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql)
        .fetch_all(database)
        .await
        .expect("the catalog answers")
}

#[tokio::test]
async fn every_table_is_a_tenant_table_or_known_to_be_none() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let without_tenant = column(
        &mut owner,
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
         ORDER BY 1",
    )
    .await;
    let reachable = column(
        &mut owner,
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           AND has_table_privilege('fairlead_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
         ORDER BY 1",
    )
    .await;

    assert_eq!(without_tenant, PLATFORM_TABLES);
    assert_eq!(reachable, Vec::<String>::new());
}

#[tokio::test]
async fn every_tenant_table_is_keyed_by_tenant_and_id() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let otherwise = column(
        &mut owner,
        "SELECT c.relname || ' ' || COALESCE(pg_get_constraintdef(k.oid), 'has no primary key')
         FROM pg_class c
         LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           AND pg_get_constraintdef(k.oid) IS DISTINCT FROM 'PRIMARY KEY (tenant_id, id)'
         ORDER BY 1",
    )
    .await;

    // A user has one credential: the user's id is the id. Counters are told apart by what they count. Each consumer has
    // an event once, and a tenant's log one end of what is gone.
    assert_eq!(
        otherwise,
        [
            "credentials PRIMARY KEY (tenant_id, user_id)",
            "events_dropped PRIMARY KEY (tenant_id)",
            "inbox PRIMARY KEY (tenant_id, id, consumer)",
            "lead_statistics PRIMARY KEY (tenant_id, status, slot)",
            "tenant_calls PRIMARY KEY (tenant_id, month)",
            "tenant_usage PRIMARY KEY (tenant_id, hour)",
            "usage_by_day PRIMARY KEY (tenant_id, day, type, source)",
            "web_vitals PRIMARY KEY (tenant_id, grain, at, page, vital, process)",
        ]
    );
}

#[tokio::test]
async fn every_index_leads_with_the_tenant() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let otherwise = column(
        &mut owner,
        "SELECT i.relname::text
         FROM pg_index x
         JOIN pg_class i ON i.oid = x.indexrelid
         JOIN pg_class c ON c.oid = x.indrelid AND c.relnamespace = 'public'::regnamespace
         WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           AND NOT c.relispartition
           AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = x.indkey[0])
               IS DISTINCT FROM 'tenant_id'
         ORDER BY 1",
    )
    .await;

    assert_eq!(otherwise, OTHER_LEADING_COLUMNS.map(|(name, _)| name));
}

#[tokio::test]
async fn every_foreign_key_goes_through_the_tenant() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let otherwise = column(
        &mut owner,
        "SELECT k.conname || ': ' || pg_get_constraintdef(k.oid)
         FROM pg_constraint k
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
           AND pg_get_constraintdef(k.oid) NOT LIKE 'FOREIGN KEY (tenant_id%) REFERENCES %(tenant_id%'
         ORDER BY 1",
    )
    .await;
    let count = column(&mut owner, "SELECT 'x' FROM pg_constraint WHERE contype = 'f'")
        .await
        .len();

    assert_eq!(otherwise, Vec::<String>::new());
    assert!(count >= 13, "{count} foreign keys were looked at");
}

#[tokio::test]
async fn every_tenant_table_forces_row_level_security_for_the_current_tenant() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let unprotected = column(
        &mut owner,
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
         ORDER BY 1",
    )
    .await;
    // A partition is reached through its parent alone; by itself it shows nobody anything.
    let policies = column(
        &mut owner,
        "SELECT DISTINCT p.polname || ' ' || pg_get_expr(p.polqual, p.polrelid) || ' ' ||
                array_to_string(ARRAY(SELECT rolname FROM pg_roles r WHERE r.oid = ANY (p.polroles)), ',')
         FROM pg_policy p ORDER BY 1",
    )
    .await;
    let without_policies = column(
        &mut owner,
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
           AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) <> 2",
    )
    .await;

    assert_eq!(unprotected, Vec::<String>::new());
    assert_eq!(without_policies, Vec::<String>::new());
    assert_eq!(
        policies,
        [
            "system true fairlead_system",
            "tenant (tenant_id = ( SELECT current_tenant() AS current_tenant)) fairlead_app",
        ]
    );
}
