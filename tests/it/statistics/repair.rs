//! Counters that somebody has broken, mended while the server goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestDatabase, connect_store, repetitions, wait_until};

use super::work::{Random, step};
use super::{add_tenant, app_in, assert_equal, drift, insert_lead, run, texts};

/// Leads that nothing counts.
fn uncounted(insert: &str) -> String {
    format!("SET session_replication_role = replica; {insert}; RESET session_replication_role")
}

#[tokio::test]
async fn a_repair_tells_and_mends_what_is_wrong_of_one_tenant_or_all() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let (acme, umbrella) = (
        add_tenant(&mut superuser, "acme").await,
        add_tenant(&mut superuser, "umbrella").await,
    );
    for tenant in [acme, umbrella] {
        run(&mut superuser, &insert_lead(tenant, "NEW", "2 days"))
            .await
            .unwrap();
        run(
            &mut superuser,
            &uncounted(&insert_lead(tenant, "CLOSED", "1 day")),
        )
        .await
        .unwrap();
    }
    run(
        &mut superuser,
        "UPDATE lead_statistics SET leads = 4, created_seconds = created_seconds - 5",
    )
    .await
    .unwrap();
    let program = Program::on(&database);
    let repair = async |arguments: &[&str]| -> Vec<(Value, Value, Value, Value)> {
        let ended = program
            .run(&[&["statistics", "repair", "--json"], arguments].concat())
            .await;
        assert!(ended.status.success(), "{}", ended.stderr);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        let row = |row: &Value| {
            (
                row["tenantId"].clone(),
                row["status"].clone(),
                row["counted"].clone(),
                row["actual"].clone(),
            )
        };
        told["repaired"].as_array().unwrap().iter().map(row).collect()
    };

    let of_acme = repair(&["--tenant", "acme"]).await;
    let left = drift(&mut superuser).await;
    let of_all = repair(&["--all"]).await;
    let again = repair(&["--all"]).await;

    let wrong = |tenant: fairlead_domain::identity::TenantId| {
        let tenant = json!(tenant.to_string());
        vec![
            (tenant.clone(), json!("CLOSED"), json!(0), json!(1)),
            (tenant, json!("NEW"), json!(4), json!(1)),
        ]
    };
    assert_eq!(of_acme, wrong(acme));
    assert_eq!(left.len(), 2, "the other tenant's are as they were: {left:?}");
    assert_eq!(of_all, wrong(umbrella));
    assert_eq!(again, []);
    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
    let recorded = texts(
        &mut superuser,
        "SELECT tenant_id || ' ' || action || ' ' || (before ->> 'leads') || ' to ' || (after ->> 'leads')
         FROM audit_log ORDER BY 1",
    )
    .await;
    assert_eq!(
        recorded,
        [acme, umbrella].map(|tenant| format!("{} lead_counters_repaired 4 to 2", tenant.as_uuid()))
    );
}

#[tokio::test]
async fn a_repair_of_all_holds_up_one_tenant_at_a_time() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut holder = database.connect(DatabaseRole::Superuser).await;
    for slug in ["acme", "umbrella"] {
        add_tenant(&mut superuser, slug).await;
    }
    run(
        &mut superuser,
        "INSERT INTO users (tenant_id, id, email, name, role, active, is_agent, open_leads, created_at, updated_at)
         SELECT id, id, 'ann@a.test', 'Ann', 'AGENT', true, true, 3, now(), now() FROM tenants",
    )
    .await
    .unwrap();
    // Somebody assigns a lead of the last tenant for long.
    run(&mut holder, "BEGIN").await.unwrap();
    run(
        &mut holder,
        "SELECT FROM users WHERE tenant_id = (SELECT max(tenant_id::text)::uuid FROM tenants) FOR UPDATE",
    )
    .await
    .unwrap();

    let repair = Program::on(&database).start(&["statistics", "repair", "--all"]);
    wait_until("the repair waits for the last tenant", async || {
        let waiting = "SELECT 'x' FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        !texts(&mut superuser, waiting).await.is_empty()
    })
    .await;

    let mended = "SELECT count(*)::text FROM users WHERE open_leads = 0";
    assert_eq!(texts(&mut superuser, mended).await, ["1"]);
    run(&mut holder, "COMMIT").await.unwrap();
    let ended = repair.end().await;
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(texts(&mut superuser, mended).await, ["2"]);
}

#[tokio::test]
async fn a_repair_names_an_unknown_tenant_and_wants_to_know_which() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);

    let unknown = program.run(&["statistics", "repair", "--tenant", "nobody"]).await;
    let none = program.run(&["statistics", "repair"]).await;

    assert!(!unknown.status.success());
    assert!(unknown.stderr.contains("no tenant nobody"), "{}", unknown.stderr);
    assert!(!none.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_among_writers_mend_what_was_broken_and_nothing_else() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut vandal = database.connect(DatabaseRole::Superuser).await;
    let mut repairer = database.connect(DatabaseRole::System).await;
    let store = connect_store(database.url(DatabaseRole::App), 8).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let ended = AtomicBool::new(false);

    let work = async {
        join_all((1..=8).map(|writer| {
            let store = &store;
            async move {
                let mut random = Random::new(100 + writer);
                for _ in 0..repetitions(25) {
                    step(store, tenant, &mut random).await;
                }
            }
        }))
        .await;
        ended.store(true, Ordering::Relaxed);
    };
    let break_and_mend = async {
        let mut mended = 0;
        while !ended.load(Ordering::Relaxed) {
            run(
                &mut vandal,
                &uncounted(&insert_lead(tenant, "QUALIFIED", "11 days")),
            )
            .await
            .unwrap();
            let told = texts(
                &mut repairer,
                "SELECT status || ' ' || actual - counted FROM repair_lead_statistics()",
            )
            .await;
            assert_eq!(told, ["QUALIFIED 1"]);
            assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
            mended += 1;
        }
        mended
    };
    let ((), mended) = tokio::join!(work, break_and_mend);

    assert!(mended >= 3, "{mended} repairs ran among the writers");
    let mut app = app_in(&database, tenant).await;
    assert_equal(&store, &mut app, tenant, "all have ended").await;
}

#[tokio::test]
async fn two_repairs_at_once_add_what_is_missing_once_and_hold_up_no_writer() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let mut writer = app_in(&database, tenant).await;
    let mut one = database.connect(DatabaseRole::System).await;
    let mut other = database.connect(DatabaseRole::System).await;
    run(&mut superuser, &uncounted(&insert_lead(tenant, "NEW", "1 day")))
        .await
        .unwrap();
    // Under way when the first repair looks, committed when the second does.
    run(&mut writer, "BEGIN").await.unwrap();
    run(&mut writer, &insert_lead(tenant, "NEW", "1 day"))
        .await
        .unwrap();

    let repair = "SELECT status || ' ' || counted || ' ' || actual FROM repair_lead_statistics()";
    run(&mut one, "BEGIN").await.unwrap();
    let first = texts(&mut one, repair).await;
    let second = fairlead_telemetry::spawn(async move { texts(&mut other, repair).await });
    wait_until("the second repair waits for the first", async || {
        let waiting = "SELECT 'x' FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        !texts(&mut superuser, waiting).await.is_empty()
    })
    .await;
    run(&mut writer, &insert_lead(tenant, "NEW", "1 day"))
        .await
        .unwrap();
    run(&mut writer, "COMMIT").await.unwrap();
    run(&mut one, "COMMIT").await.unwrap();

    assert_eq!(first, ["NEW 0 1"]);
    assert_eq!(second.await.unwrap(), Vec::<String>::new());
    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
}
