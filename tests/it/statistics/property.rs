//! Random work, one step after the other, and the statements that no repository has.

use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::StatusName;
use fairlead_domain::store::Store as _;
use support::database::DatabaseRole;
use support::{TestDatabase, connect_store, repetitions};
use time::{Duration, OffsetDateTime};

use super::work::{Random, step};
use super::{add_tenant, app_in, assert_equal, drift, insert_lead, run, system};

#[tokio::test]
async fn statistics_equal_the_leads_after_every_step_of_random_work() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let store = connect_store(database.url(DatabaseRole::App), 2).await;
    let tenants = [
        add_tenant(&mut superuser, "acme").await,
        add_tenant(&mut superuser, "umbrella").await,
    ];
    let mut apps = Vec::new();
    for tenant in tenants {
        apps.push(app_in(&database, tenant).await);
    }
    let mut random = Random::new(1);

    for number in 0..repetitions(150) {
        let which = random.below(2);
        let done = step(&store, tenants[which], &mut random).await;
        assert_equal(
            &store,
            &mut apps[which],
            tenants[which],
            &format!("{done}, step {number}"),
        )
        .await;
    }

    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
}

#[tokio::test]
async fn statistics_equal_the_leads_whatever_statement_wrote_them() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let store = connect_store(database.url(DatabaseRole::App), 1).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let mut app = app_in(&database, tenant).await;
    for (status, age) in [
        ("NEW", "3 days"),
        ("NEW", "40 days"),
        ("CLOSED", "9 days 1 second"),
    ] {
        run(&mut app, &insert_lead(tenant, status, age)).await.unwrap();
    }
    let statements = [
        // Adds one and changes three.
        "INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
         SELECT tenant_id, id, name, 'NEW', created_at, now() FROM leads
         UNION ALL SELECT current_tenant(), gen_random_uuid(), 'Dee', 'NEW', now() - interval '5 days', now()
         ON CONFLICT (tenant_id, id) DO UPDATE SET status = 'CONTACTED', close_reason = NULL",
        // Adds, changes and deletes.
        "MERGE INTO leads USING (
             SELECT id, row_number() OVER (ORDER BY id) AS number FROM leads
             UNION ALL SELECT gen_random_uuid(), 9) AS wanted
         ON leads.tenant_id = (SELECT current_tenant()) AND leads.id = wanted.id
         WHEN MATCHED AND wanted.number = 1 THEN DELETE
         WHEN MATCHED THEN UPDATE SET status = 'QUALIFIED'
         WHEN NOT MATCHED THEN INSERT (tenant_id, id, name, status, created_at, updated_at)
             VALUES (current_tenant(), wanted.id, 'Eve', 'NEW', now() - interval '100 days', now())",
        // The statuses stay; only the ages change.
        "UPDATE leads SET created_at = created_at - interval '20 days'",
        // Three statements in one.
        "WITH gone AS (DELETE FROM leads WHERE status = 'NEW' RETURNING *),
              closed AS (UPDATE leads SET status = 'CLOSED', close_reason = 'WON' WHERE status = 'QUALIFIED')
         INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
         SELECT tenant_id, gen_random_uuid(), name, 'CONTACTED', created_at, now() FROM gone",
        // What is taken back to a savepoint was not counted; what follows it is.
        "BEGIN; UPDATE leads SET status = 'NEW', close_reason = NULL;
         SAVEPOINT middle; DELETE FROM leads; ROLLBACK TO middle;
         UPDATE leads SET status = 'CONTACTED'; COMMIT",
        // A statement that finds nothing.
        "DELETE FROM leads WHERE name = 'nobody'",
        "DELETE FROM leads",
    ];

    for statement in statements {
        run(&mut app, statement).await.unwrap();
        assert_equal(&store, &mut app, tenant, statement).await;
        assert_eq!(
            drift(&mut superuser).await,
            Vec::<String>::new(),
            "after {statement}"
        );
    }
}

/// A mean of so many days exactly is that many, and a microsecond less is one fewer. In floating point, the mean of
/// three leads is too small at this very moment.
#[tokio::test]
async fn a_mean_age_is_rounded_down_to_the_microsecond() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let store = connect_store(database.url(DatabaseRole::App), 1).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let mut app = app_in(&database, tenant).await;
    for age in ["1 day", "3 days", "5 days"] {
        run(&mut app, &insert_lead(tenant, "NEW", age)).await.unwrap();
    }
    // All at one moment, from which the ages count.
    let exact = "UPDATE leads SET created_at = timestamptz '2026-01-10 00:00:00.000399Z'
                 - (EXTRACT(day FROM now() - created_at) * interval '1 day')";
    run(&mut app, exact).await.unwrap();
    let at = OffsetDateTime::from_unix_timestamp(1_768_003_200).unwrap() + Duration::microseconds(399);
    let days = async |now| {
        let mut uow = store
            .read(&system().tenant(tenant), ReadIntent::STRONG)
            .await
            .unwrap();
        let statistics = uow.leads().statistics(now).await.unwrap();
        statistics.by_status[&StatusName::New].avg_age_days
    };

    assert_eq!(days(at).await, 3);
    run(
        &mut app,
        "UPDATE leads SET created_at = created_at + interval '1 microsecond'
         WHERE id = (SELECT max(id::text)::uuid FROM leads)",
    )
    .await
    .unwrap();
    assert_eq!(days(at).await, 2);
    assert_eq!(days(at - Duration::days(400)).await, 0, "leads of the future");
}
