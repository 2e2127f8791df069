//! Row-level security by itself: plain SQL as the role that serves requests, without a scope or a scoped select in
//! front of it. The tables and what the role may do to them are asked of the catalog, so a new table is held to it too.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _};
use support::TestDatabase;
use support::database::DatabaseRole;
use uuid::Uuid;

const ACME: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_ac3e);
const UMBRELLA: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0b3e);
const NOBODYS: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_dead);

/// One row in every tenant table; all have the tenant's own id, which is good enough to tell them apart.
const ONE_OF_EACH: &str = "
    INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
        VALUES ('{t}', '{t}', 'tenant-{t}', 'A tenant', now(), now());
    INSERT INTO users (tenant_id, id, email, name, role, active, is_agent, created_at, updated_at)
        VALUES ('{t}', '{t}', 'owner@{t}.test', 'An owner', 'OWNER', true, true, now(), now());
    INSERT INTO credentials (tenant_id, user_id, email, password_hash)
        VALUES ('{t}', '{t}', 'owner@{t}.test', '$argon2id$hash-of-{t}');
    INSERT INTO sessions (tenant_id, id, user_id, created_at, last_used_at, expires_at)
        VALUES ('{t}', '{t}', '{t}', now(), now(), now());
    INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, issued_at)
        VALUES ('{t}', '{t}', '{t}', 'hash', now());
    INSERT INTO api_keys (tenant_id, id, name, prefix, secret_hash, scopes, created_by, created_at)
        VALUES ('{t}', '{t}', 'A key', 'tk_', 'hash', '{leads:read}', '{t}', now());
    INSERT INTO revocations (tenant_id, id, session_id, expires_at) VALUES ('{t}', '{t}', '{t}', now());
    INSERT INTO leads (tenant_id, id, name, company, status, assigned_to, created_at, updated_at)
        VALUES ('{t}', '{t}', 'Jane Miller', 'Lead of {t}', 'NEW', '{t}', now(), now());
    INSERT INTO lead_assignments (tenant_id, id, lead_id, agent_id, status, assigned_at)
        VALUES ('{t}', '{t}', '{t}', '{t}', 'ACTIVE', now());
    INSERT INTO activities (tenant_id, id, lead_id, type, subject, occurred_at, created_at)
        VALUES ('{t}', '{t}', '{t}', 'NOTE', 'A note', now(), now());
    INSERT INTO carriers (tenant_id, id, name, active, partnership_status, partnership_tier, performance_score,
                          created_at, updated_at)
        VALUES ('{t}', '{t}', 'A carrier', true, 'ACTIVE', 'GOLD', 50, now(), now());
    INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
        VALUES ('{t}', '{t}', 'lead_created', 1, 'lead', '{t}', 'api', 'system', '{}', now());
    INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, occurred_at)
        VALUES ('{t}', '{t}', 'lead_created', 'system', 'lead', '{t}', now());
    INSERT INTO idempotency_keys (tenant_id, id, key, actor, request_hash, created_at, expires_at)
        VALUES ('{t}', '{t}', 'a key', 'system', 'hash', now(), now());
    INSERT INTO inbox (tenant_id, id, consumer, xid, position, handled_at)
        VALUES ('{t}', '{t}', 'a consumer', '3', 1, now());
    INSERT INTO events_dropped (tenant_id, xid, position) VALUES ('{t}', '3', 1);
    INSERT INTO usage_by_day (tenant_id, day, type, source, events)
        VALUES ('{t}', '2026-11-21', 'lead_created', 'api', 1);
    INSERT INTO tenant_usage (tenant_id, hour, requests, failed, request_micros, received_bytes, sent_bytes, statements,
                              rows, database_micros, job_micros, stay_micros)
        VALUES ('{t}', '2026-11-21 10:00Z', 1, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch)
        VALUES ('{t}', 1, '2026-11-21 10:00Z', '/leads', 'LCP', 'a process', '');
    INSERT INTO tenant_calls (tenant_id, month, calls) VALUES ('{t}', '2026-11-01', 1);
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state)
        VALUES ('{t}', '{t}', 'lead-processing', 'a kind', '{}', 1, 'waiting');
    INSERT INTO operations (tenant_id, id, kind, created_by) VALUES ('{t}', '{t}', 'import-leads', 'system');
    INSERT INTO operation_inputs (tenant_id, id, operation_id, number, size_bytes, content)
        VALUES ('{t}', '{t}', '{t}', 0, 2, '[]');
    INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, content)
        VALUES ('{t}', '{t}', '{t}', 0, 2, '[]');
    INSERT INTO operation_faults (tenant_id, id, operation_id, number, line, field, reason)
        VALUES ('{t}', '{t}', '{t}', 0, 2, 'email', 'a reason');
    INSERT INTO webhooks (tenant_id, id, url, created_at, updated_at, secret)
        VALUES ('{t}', '{t}', 'https://{t}.test/', now(), now(), 'sealed');
    INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, tried_since, next_at,
                                    created_at)
        VALUES ('{t}', '{t}', '{t}', '{t}', 'lead_created', 'PENDING', now(), now(), now());
    INSERT INTO webhook_replays (tenant_id, id, webhook_id, place_xid, place_position, until_xid, until_position, state,
                                 deliveries, created_at)
        VALUES ('{t}', '{t}', '{t}', '0', 0, '3', 1, 'RUNNING', 0, now());
    INSERT INTO ai_calls (tenant_id, id, purpose, model, input_tokens, output_tokens, cost_micros, called_at)
        VALUES ('{t}', '{t}', 'score-lead', 'a model', 1, 1, 1, now());
    INSERT INTO billing_customers (tenant_id, id, provider_id, created_at) VALUES ('{t}', '{t}', 'cus_{t}', now());
    INSERT INTO payment_requests (tenant_id, id, kind, requested, state, created_at)
        VALUES ('{t}', '{t}', 'CHECKOUT', '{}', 'PENDING', now());
    INSERT INTO subscriptions (tenant_id, id, provider_id, status, cancel_at_period_end, updated_at)
        VALUES ('{t}', '{t}', 'sub_1', 'ACTIVE', false, now());
    INSERT INTO billing_events (tenant_id, id, type, received_at) VALUES ('{t}', '{t}', 'invoice.paid', now());
    INSERT INTO usage_reports (tenant_id, id, month, meter, customer, calls, used_at, state, created_at)
        VALUES ('{t}', '{t}', '2026-11-01', 'api_calls', 'cus_{t}', 1, now(), 'PENDING', now());
    INSERT INTO lead_subscriptions (tenant_id, id, lead_id, email, tags, state, consent_by, created_at)
        VALUES ('{t}', '{t}', '{t}', 'jane@{t}.test', '{}', 'PENDING', 'system', now());
    ANALYZE";

/// A database in which two tenants have one row in every table.
async fn two_tenants() -> TestDatabase {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for tenant in [ACME, UMBRELLA] {
        run(&mut superuser, &ONE_OF_EACH.replace("{t}", &tenant.to_string()))
            .await
            .expect("the rows are in order");
    }
    for table in tenant_tables(&mut superuser).await {
        assert_eq!(
            count(&mut superuser, &table).await.unwrap(),
            2,
            "add a row of {table} to ONE_OF_EACH"
        );
    }
    database
}

/// The role that serves requests, with `tenant` set the way a unit of work sets it.
async fn app_in(database: &TestDatabase, tenant: Uuid) -> PgConnection {
    let mut app = database.connect(DatabaseRole::App).await;
    run(&mut app, &format!("SET app.current_tenant = '{tenant}'"))
        .await
        .unwrap();
    app
}

async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<u64> {
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .map(|done| done.rows_affected())
}

async fn texts(connection: &mut PgConnection, sql: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
}

async fn count(connection: &mut PgConnection, table: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
        .fetch_one(connection)
        .await
}

async fn tenant_tables(connection: &mut PgConnection) -> Vec<String> {
    let tables = "SELECT c.relname::text FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ORDER BY 1";
    let tables = texts(connection, tables).await.unwrap();
    assert!(tables.len() >= 14, "{tables:?}");
    tables
}

/// The tenant tables on which the connected role has `privilege`, on all columns or on some.
async fn tables_with(connection: &mut PgConnection, privilege: &str) -> Vec<String> {
    let mut granted = Vec::new();
    for table in tenant_tables(connection).await {
        let check = match privilege {
            "DELETE" => format!("has_table_privilege('{table}', 'DELETE')"),
            _ => format!("has_any_column_privilege('{table}', '{privilege}')"),
        };
        let sql = format!("SELECT '{table}' WHERE {check}");
        granted.extend(texts(connection, &sql).await.unwrap());
    }
    granted
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: sqlx::Result<T>, code: &str, message: &str) {
    let error = result.expect_err("this must be refused");
    let database = error.as_database_error().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(database.code().as_deref(), Some(code), "{database}");
    assert!(database.message().contains(message), "{database}");
}

#[tokio::test]
async fn without_a_tenant_no_table_has_rows() {
    let database = two_tenants().await;
    let mut app = database.connect(DatabaseRole::App).await;
    let tables = tables_with(&mut app, "SELECT").await;

    for tenant in [None, Some("")] {
        if let Some(tenant) = tenant {
            run(&mut app, &format!("SET app.current_tenant = '{tenant}'"))
                .await
                .unwrap();
        }
        for table in &tables {
            assert_eq!(
                count(&mut app, table).await.unwrap(),
                0,
                "{table} with tenant {tenant:?}"
            );
        }
    }
    // The same statements find what there is once a tenant is set.
    let mut app = app_in(&database, ACME).await;
    for table in &tables {
        assert_eq!(count(&mut app, table).await.unwrap(), 1, "{table}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_no_uuid_is_an_error() {
    let database = two_tenants().await;
    let mut app = database.connect(DatabaseRole::App).await;
    let tables = tables_with(&mut app, "SELECT").await;

    for malformed in ["acme", "%", "0", "00000000-0000-0000-0000-00000000000g", " "] {
        run(&mut app, &format!("SET app.current_tenant = '{malformed}'"))
            .await
            .unwrap();
        for table in &tables {
            assert_refused(
                count(&mut app, table).await,
                "22P02",
                "invalid input syntax for type uuid",
            );
        }
    }
}

#[tokio::test]
async fn a_tenant_setting_ends_with_its_transaction() {
    let database = two_tenants().await;
    let mut app = database.connect(DatabaseRole::App).await;

    run(
        &mut app,
        &format!("BEGIN; SET LOCAL app.current_tenant = '{ACME}'"),
    )
    .await
    .unwrap();
    let inside = count(&mut app, "leads").await.unwrap();
    run(&mut app, "COMMIT").await.unwrap();
    let behind = count(&mut app, "leads").await.unwrap();

    assert_eq!((inside, behind), (1, 0));
}

#[tokio::test]
async fn a_row_cannot_be_added_to_another_tenant() {
    let database = two_tenants().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut app = app_in(&database, ACME).await;
    let tables = tables_with(&mut app, "INSERT").await;
    assert!(tables.len() >= 10, "{tables:?}");

    for table in tables {
        let columns = texts(
            &mut superuser,
            &format!(
                "SELECT quote_ident(attname) FROM pg_attribute
                 WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                   AND has_column_privilege('fairlead_app', attrelid, attnum, 'INSERT')"
            ),
        )
        .await
        .unwrap()
        .join(", ");
        let umbrellas = texts(
            &mut superuser,
            &format!("SELECT to_jsonb(r)::text FROM {table} r WHERE tenant_id = '{UMBRELLA}'"),
        )
        .await
        .unwrap();
        let insert = format!(
            "INSERT INTO {table} ({columns})
             SELECT {columns} FROM jsonb_populate_record(NULL::{table}, '{}')",
            umbrellas[0].replace('\'', "''")
        );

        assert_refused(run(&mut app, &insert).await, "42501", "row-level security");
        assert_refused(
            run(&mut app, &format!("{insert} ON CONFLICT DO NOTHING")).await,
            "42501",
            "row-level security",
        );
    }
}

#[tokio::test]
async fn rows_of_another_tenant_cannot_be_changed() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;
    let tables = tables_with(&mut app, "UPDATE").await;
    assert!(tables.len() >= 8, "{tables:?}");

    for table in tables {
        let column = texts(
            &mut app,
            &format!(
                "SELECT quote_ident(attname) FROM pg_attribute
                 WHERE attrelid = '{table}'::regclass AND attnum > 0 AND attgenerated = ''
                   AND has_column_privilege('{table}', attname, 'UPDATE')
                 ORDER BY attname <> 'revoked_at' LIMIT 1"
            ),
        )
        .await
        .unwrap()
        .remove(0);
        let update = format!("UPDATE {table} SET {column} = {column}");

        assert_eq!(
            run(&mut app, &format!("{update} WHERE tenant_id = '{UMBRELLA}'"))
                .await
                .unwrap(),
            0,
            "{table}"
        );
        assert_eq!(
            run(&mut app, &update).await.unwrap(),
            1,
            "{table}: its own row and no other"
        );
    }
}

#[tokio::test]
async fn a_row_cannot_be_moved_to_another_tenant() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;

    for table in tables_with(&mut app, "UPDATE").await {
        let moved = run(&mut app, &format!("UPDATE {table} SET tenant_id = '{UMBRELLA}'")).await;

        let granted = format!("SELECT 'yes' WHERE has_column_privilege('{table}', 'tenant_id', 'UPDATE')");
        let may_write_tenant = !texts(&mut app, &granted).await.unwrap().is_empty();
        assert_refused(
            moved,
            "42501",
            if may_write_tenant {
                "row-level security"
            } else {
                "permission denied"
            },
        );
    }
}

#[tokio::test]
async fn rows_of_another_tenant_cannot_be_deleted() {
    let database = two_tenants().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut app = app_in(&database, ACME).await;
    let tables = tables_with(&mut app, "DELETE").await;
    assert!(tables.len() >= 4, "{tables:?}");

    for table in tables {
        run(&mut app, &format!("DELETE FROM {table}")).await.unwrap();

        let left = format!("SELECT tenant_id::text FROM {table}");
        assert_eq!(
            texts(&mut superuser, &left).await.unwrap(),
            [UMBRELLA.to_string()],
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_row_cannot_refer_to_another_tenants_row() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;
    let note_on = |lead: Uuid| {
        format!(
            "INSERT INTO activities (tenant_id, id, lead_id, type, subject, occurred_at, created_at)
             VALUES ('{ACME}', '{NOBODYS}', '{lead}', 'NOTE', 'A note', now(), now())"
        )
    };

    let on_umbrellas = run(&mut app, &note_on(UMBRELLA)).await;
    let on_nobodys = run(&mut app, &note_on(NOBODYS)).await;

    // The same answer for both: the key does not tell whether another tenant has such a row.
    for refused in [on_umbrellas, on_nobodys] {
        assert_refused(
            refused,
            "23503",
            "violates foreign key constraint \"activities_lead\"",
        );
    }
    assert_eq!(run(&mut app, &note_on(ACME)).await.unwrap(), 1);
}

#[tokio::test]
async fn the_request_role_can_become_nobody_else() {
    let database = two_tenants().await;
    let mut app = database.connect(DatabaseRole::App).await;

    for role in [
        "fairlead_system",
        "fairlead_owner",
        "postgres",
        "pg_read_all_data",
        "pg_monitor",
    ] {
        assert_refused(
            run(&mut app, &format!("SET ROLE {role}")).await,
            "42501",
            "permission denied to set role",
        );
        let session = run(&mut app, &format!("SET SESSION AUTHORIZATION {role}")).await;
        assert_refused(session, "42501", "permission denied to set session authorization");
    }
}

#[tokio::test]
async fn the_request_role_cannot_switch_row_level_security_off() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;

    let disabled = run(&mut app, "ALTER TABLE leads DISABLE ROW LEVEL SECURITY").await;
    let bypassed = run(&mut app, "ALTER ROLE fairlead_app BYPASSRLS").await;
    let dropped = run(&mut app, "DROP POLICY tenant ON leads").await;
    run(&mut app, "SET row_security = off").await.unwrap();
    let read = count(&mut app, "leads").await;

    assert_refused(disabled, "42501", "must be owner");
    assert_refused(bypassed, "42501", "must be superuser");
    assert_refused(dropped, "42501", "must be owner");
    assert_refused(
        read,
        "42501",
        "query would be affected by row-level security policy",
    );
}

#[tokio::test]
async fn search_finds_leads_of_the_current_tenant_alone() {
    let database = two_tenants().await;
    let mut app = database.connect(DatabaseRole::App).await;
    let search = "SELECT id::text FROM search_leads('miller'::tsquery, 1000, 1000)";

    let without_tenant = texts(&mut app, search).await.unwrap();
    run(&mut app, "SET app.current_tenant = ''").await.unwrap();
    let with_empty_tenant = texts(&mut app, search).await.unwrap();
    run(&mut app, "SET app.current_tenant = 'acme'").await.unwrap();
    let with_malformed_tenant = texts(&mut app, search).await;
    run(&mut app, &format!("SET app.current_tenant = '{ACME}'"))
        .await
        .unwrap();
    let acmes = texts(&mut app, search).await.unwrap();

    assert_eq!(without_tenant, Vec::<String>::new());
    assert_eq!(with_empty_tenant, Vec::<String>::new());
    assert_refused(
        with_malformed_tenant,
        "22P02",
        "invalid input syntax for type uuid",
    );
    assert_eq!(acmes, [ACME.to_string()], "both tenants have a lead of this name");
}

#[tokio::test]
async fn password_hashes_cannot_be_read_back() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;

    for sql in [
        "SELECT password_hash FROM credentials",
        "SELECT email, invitation_hash FROM credentials",
        "SELECT password_hash FROM credentials FOR UPDATE",
        "UPDATE credentials SET password_hash = 'mine'",
        "DELETE FROM credentials",
        "COPY credentials TO STDOUT",
        "INSERT INTO credentials (tenant_id, user_id, email) SELECT tenant_id, id, email FROM users
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET email = EXCLUDED.email RETURNING credentials.password_hash",
    ] {
        assert_refused(run(&mut app, sql).await, "42501", "permission denied for table credentials");
    }
    for table in ["refresh_tokens", "revocations", "operators", "login_failures"] {
        assert_refused(
            count(&mut app, table).await,
            "42501",
            &format!("permission denied for table {table}"),
        );
    }
}

#[tokio::test]
async fn planner_statistics_show_nobodys_values() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;

    let shown = texts(
        &mut app,
        "SELECT DISTINCT tablename::text FROM pg_stats WHERE schemaname = 'public'",
    )
    .await;

    assert_eq!(shown.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn partitions_are_reached_through_their_parent_alone() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;
    let partitions = texts(
        &mut app,
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relispartition AND c.relkind = 'r'",
    )
    .await
    .unwrap();
    assert!(partitions.len() >= 8, "{partitions:?}");

    for partition in partitions {
        let denied = format!("permission denied for table {partition}");
        assert_refused(count(&mut app, &partition).await, "42501", &denied);
        let insert = format!("INSERT INTO {partition} (tenant_id, id) VALUES ('{ACME}', '{NOBODYS}')");
        assert_refused(run(&mut app, &insert).await, "42501", &denied);
        assert_refused(
            run(&mut app, &format!("DELETE FROM {partition}")).await,
            "42501",
            &denied,
        );
    }
}

#[tokio::test]
async fn no_objects_can_be_made_where_others_look() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;

    for sql in [
        "CREATE TABLE public.mine (id int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION pg_trgm",
    ] {
        assert_refused(run(&mut app, sql).await, "42501", "permission denied");
    }
}

/// What the search runs with the rights of a role that sees all tenants, it takes from where only the owner writes.
/// A name that is not qualified is looked for among the session's temporary objects first, unless the search path of
/// the function says otherwise.
#[tokio::test]
async fn temporary_objects_do_not_stand_in_for_what_the_search_reads() {
    let database = two_tenants().await;
    let mut app = app_in(&database, ACME).await;
    run(
        &mut app,
        "CREATE FUNCTION pg_temp.spy() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'the spy sees % leads as %', (SELECT count(*) FROM public.leads), current_user; END $$;
         CREATE VIEW pg_temp.leads AS SELECT tenant_id, id, name, pg_temp.spy() AS company FROM public.leads;
         GRANT SELECT ON pg_temp.leads TO PUBLIC;
         CREATE FUNCTION pg_temp.current_tenant() RETURNS uuid LANGUAGE sql RETURN NULL::uuid;
         SET search_path = pg_temp, public",
    )
    .await
    .expect("the session may make temporary objects, or this test shows nothing");

    let found = texts(
        &mut app,
        "SELECT id::text FROM public.search_leads('miller'::tsquery, 10, 10)",
    )
    .await;

    assert_eq!(found.unwrap(), [ACME.to_string()]);
}

#[tokio::test]
async fn every_function_with_rights_of_its_own_looks_for_temporary_objects_last() {
    let database = TestDatabase::create().await;
    let mut owner = database.connect(DatabaseRole::Owner).await;

    let definers = texts(
        &mut owner,
        "SELECT p.proname || ' ' || COALESCE(
                    (SELECT setting FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%'),
                    'has no search path')
         FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace ORDER BY 1",
    )
    .await
    .unwrap();

    assert!(definers.len() >= 2, "{definers:?}");
    for definer in definers {
        assert!(
            definer.ends_with("search_path=pg_catalog, public, pg_temp"),
            "{definer}"
        );
    }
}
