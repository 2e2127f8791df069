//! Who may write the counters, what an upgrade finds, and what goes with a tenant.

use support::TestDatabase;
use support::database::DatabaseRole;

use super::{add_tenant, app_in, drift, insert_lead, run, texts};

#[tokio::test]
async fn the_application_reads_the_counters_of_its_tenant_and_writes_none() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let (acme, umbrella) = (
        add_tenant(&mut superuser, "acme").await,
        add_tenant(&mut superuser, "umbrella").await,
    );
    let mut app = app_in(&database, acme).await;
    run(&mut app, &insert_lead(acme, "NEW", "1 day")).await.unwrap();
    let mut other = app_in(&database, umbrella).await;
    run(&mut other, &insert_lead(umbrella, "CLOSED", "1 day"))
        .await
        .unwrap();

    let seen = texts(&mut app, "SELECT status FROM lead_statistics").await;
    let mut refused = Vec::new();
    for statement in [
        "UPDATE lead_statistics SET leads = 7",
        "DELETE FROM lead_statistics",
        "INSERT INTO lead_statistics VALUES (current_tenant(), 'NEW', 3, 1, 0)",
        "SELECT free_lead_statistics_slot(current_tenant())",
        "SELECT count(*) FROM repair_lead_statistics()",
    ] {
        let error = run(&mut app, statement).await.unwrap_err();
        refused.push(error.as_database_error().unwrap().code().unwrap().into_owned());
    }

    assert_eq!(seen, ["NEW"]);
    assert_eq!(refused, ["42501"; 5]);
}

#[tokio::test]
async fn an_upgrade_counts_the_leads_that_are_there() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenants = [
        add_tenant(&mut superuser, "acme").await,
        add_tenant(&mut superuser, "umbrella").await,
    ];
    run(
        &mut superuser,
        "DROP FUNCTION count_leads CASCADE; DROP FUNCTION free_lead_statistics_slot;
         DROP FUNCTION repair_lead_statistics; DROP TABLE lead_statistics;
         DELETE FROM seaql_migrations WHERE version ~ '_(lead_statistics|count_leads)$'",
    )
    .await
    .unwrap();
    for (tenant, status) in [
        (tenants[0], "NEW"),
        (tenants[0], "NEW"),
        (tenants[1], "NEW"),
        (tenants[1], "CLOSED"),
    ] {
        run(&mut superuser, &insert_lead(tenant, status, "30 days"))
            .await
            .unwrap();
    }

    let applied = fairlead_migrations::migrate(&database.url(DatabaseRole::Owner))
        .await
        .unwrap();

    assert_eq!(
        applied,
        ["m20261121_000700_lead_statistics", "m20261121_000900_count_leads"]
    );
    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
    let counted = texts(
        &mut superuser,
        "SELECT status || ' ' || leads FROM lead_statistics ORDER BY 1",
    )
    .await;
    assert_eq!(counted, ["CLOSED 1", "NEW 1", "NEW 2"]);
    run(&mut superuser, &insert_lead(tenants[0], "NEW", "1 day"))
        .await
        .unwrap();
    assert_eq!(
        drift(&mut superuser).await,
        Vec::<String>::new(),
        "and those that follow"
    );
}

#[tokio::test]
async fn the_counters_go_with_the_leads_and_with_the_tenant() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let (acme, umbrella) = (
        add_tenant(&mut superuser, "acme").await,
        add_tenant(&mut superuser, "umbrella").await,
    );
    for tenant in [acme, umbrella] {
        run(&mut superuser, &insert_lead(tenant, "NEW", "1 day"))
            .await
            .unwrap();
    }

    let delete = format!(
        "DELETE FROM leads WHERE tenant_id = '{0}'; DELETE FROM tenants WHERE tenant_id = '{0}'",
        acme.as_uuid()
    );
    run(&mut superuser, &delete).await.unwrap();
    let left = texts(&mut superuser, "SELECT tenant_id::text FROM lead_statistics").await;
    run(&mut superuser, "TRUNCATE leads CASCADE").await.unwrap();

    assert_eq!(left, [umbrella.as_uuid().to_string()]);
    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lead_of_an_infinite_past_is_refused() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let endless = insert_lead(tenant, "NEW", "1 day").replace("now() - interval '1 day'", "'-infinity'");

    let refused = run(&mut superuser, &endless).await.unwrap_err();

    assert_eq!(
        refused.as_database_error().unwrap().code().as_deref(),
        Some("22003")
    );
}
