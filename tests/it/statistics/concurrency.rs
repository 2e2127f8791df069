//! Writers of one tenant at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use support::database::DatabaseRole;
use support::{TestDatabase, connect_store, repetitions};

use super::work::{Random, step};
use super::{add_tenant, app_in, assert_equal, drift, insert_lead, run, texts};

#[tokio::test(flavor = "multi_thread")]
async fn statistics_equal_the_leads_in_every_snapshot_while_sixteen_write() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let store = connect_store(database.url(DatabaseRole::App), 16).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let ended = AtomicBool::new(false);

    let writers = join_all((1..=16).map(|writer| {
        let store = &store;
        async move {
            let mut random = Random::new(writer);
            for _ in 0..repetitions(25) {
                step(store, tenant, &mut random).await;
            }
        }
    }));
    let work = async {
        writers.await;
        ended.store(true, Ordering::Relaxed);
    };
    let watch = async {
        let mut looks = 0;
        while !ended.load(Ordering::Relaxed) {
            assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
            looks += 1;
        }
        looks
    };
    let ((), looks) = tokio::join!(work, watch);

    assert!(looks >= 3, "the counters were looked at {looks} times meanwhile");
    let mut app = app_in(&database, tenant).await;
    assert_equal(&store, &mut app, tenant, "all have ended").await;
}

#[tokio::test]
async fn no_writer_waits_for_another_until_it_commits() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let mut writers = Vec::new();
    for _ in 0..20 {
        let mut writer = app_in(&database, tenant).await;
        run(&mut writer, "BEGIN; SET LOCAL lock_timeout = '1ms'")
            .await
            .unwrap();
        writers.push(writer);
    }

    // Each has counted a new lead and a closed one when the next begins; every second one in the other order.
    for (number, writer) in writers.iter_mut().enumerate() {
        let mut statuses = ["NEW", "CLOSED"];
        if number % 2 == 0 {
            statuses.reverse();
        }
        for status in statuses {
            run(writer, &insert_lead(tenant, status, "1 day")).await.unwrap();
        }
    }
    for (number, writer) in writers.iter_mut().enumerate() {
        let end = if number % 4 == 0 { "ROLLBACK" } else { "COMMIT" };
        run(writer, end).await.unwrap();
    }

    let counted = texts(
        &mut superuser,
        "SELECT status || ' ' || SUM(leads) || ' in ' || COUNT(*) FROM lead_statistics GROUP BY status ORDER BY 1",
    )
    .await;
    assert_eq!(counted, ["CLOSED 15 in 15", "NEW 15 in 15"]);
    assert_eq!(drift(&mut superuser).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_quiet_tenant_has_one_slot_however_many_connections_write() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = add_tenant(&mut superuser, "acme").await;

    for _ in 0..5 {
        let mut app = app_in(&database, tenant).await;
        run(&mut app, &insert_lead(tenant, "NEW", "1 day")).await.unwrap();
    }

    let counted = texts(
        &mut superuser,
        "SELECT slot || ' ' || leads FROM lead_statistics ORDER BY 1",
    )
    .await;
    assert_eq!(counted, ["0 5"]);
}

#[tokio::test]
async fn an_update_that_leaves_statuses_alone_writes_no_counter_and_takes_no_slot() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let tenant = add_tenant(&mut superuser, "acme").await;
    let mut app = app_in(&database, tenant).await;
    run(&mut app, &insert_lead(tenant, "NEW", "1 day")).await.unwrap();
    let row_versions = "SELECT ctid::text || ' ' || xmin FROM lead_statistics";
    let slots = "SELECT locktype FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let before = texts(&mut superuser, row_versions).await;

    let update = "BEGIN; UPDATE leads SET name = 'Bob', status = status, version = version + 1";
    run(&mut app, update).await.unwrap();
    let taken = texts(&mut app, slots).await;
    run(&mut app, "COMMIT").await.unwrap();
    let after = texts(&mut superuser, row_versions).await;
    run(&mut app, "BEGIN; UPDATE leads SET status = 'CONTACTED'")
        .await
        .unwrap();
    let taken_by_a_change = texts(&mut app, slots).await;

    assert_eq!((taken.len(), taken_by_a_change.len()), (0, 1));
    assert_eq!(before, after);
}
