//! A month that is archived and dropped while others write to it, end, or do the same.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fairlead::FileArchive;
use fairlead::config::Role;
use fairlead_telemetry::spawn;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgPool};
use support::database::DatabaseRole;
use support::process::Program;
use support::{TempFolder, TestApp, TestDatabase, TestTenant, wait_until};

use super::archive::{drop_old, ids_before_february, months, read, record_in_january};
use super::retention::{make_month, record_in, system, until_done};

/// Whoever drops waits for whoever writes for longer than a test has to wait.
const PATIENT: &str = "
    DO $$
    DECLARE waiting regprocedure;
    BEGIN
        FOR waiting IN SELECT oid FROM pg_proc WHERE proname IN ('drop_event_partition', 'hold_event_month') LOOP
            EXECUTE format('ALTER FUNCTION %s SET lock_timeout = ''20s''', waiting);
        END LOOP;
    END $$";

/// Whether a statement of the system role with this in it waits for a lock.
async fn is_waiting(pool: &PgPool, statement: &str) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
                        WHERE datname = current_database() AND usename = 'fairlead_system' AND wait_event_type = 'Lock'
                          AND query LIKE '%' || $1 || '%')",
    )
    .bind(statement)
    .fetch_one(pool)
    .await
    .unwrap()
}

/// All that is in directories that are whole, and how many directories there are.
fn archived(folder: &Path) -> (BTreeSet<String>, usize) {
    let (mut ids, mut directories) = (BTreeSet::new(), 0);
    for directory in fs::read_dir(folder).unwrap() {
        directories += 1;
        let (manifest, of_one) = read(&directory.unwrap().path());
        let count = of_one.len();
        let of_one: BTreeSet<String> = of_one.into_iter().collect();
        assert_eq!(of_one.len(), count, "each once");
        if manifest["isWhole"] == true {
            ids.extend(of_one);
        }
    }
    (ids, directories)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_writes_that_began_before_and_ends_while_a_month_is_dropped_is_kept() {
    for with_archive in [true, false] {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let pool = app.database.pool(DatabaseRole::Superuser, 2).await;
        make_month(&pool, "2020_01").await;
        record_in_january(&pool, &acme.id, 20).await;
        let system = system(&app.database).await;
        until_done(&system).await;
        pool.execute(PATIENT).await.unwrap();
        let folder = TempFolder::new("archive");
        let archive = FileArchive::new(folder.path().to_owned());
        let mut late = app.database.connect(DatabaseRole::Superuser).await;
        let mut late = late.begin().await.unwrap();
        let record = format!(
            "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
             VALUES ('{}', uuid_v7_floor('2020-01-20 00:00Z'), 'lead_created', 1, 'lead', gen_random_uuid(), 'api', 'system',
                     '{{}}', now())",
            acme.id
        );
        late.execute(AssertSqlSafe(record)).await.unwrap();

        let (sweeper, to) = (system.clone(), archive.clone());
        let dropping = spawn(async move {
            if with_archive {
                drop_old(&sweeper, &to).await
            } else {
                let dropped = sweeper.drop_old_events(time::Duration::days(30), None).await;
                dropped.map_err(|error| error.to_string())
            }
        });
        wait_until("it waits for whoever writes to the month", async || {
            is_waiting(&pool, "event_").await
        })
        .await;
        late.commit().await.unwrap();
        let dropped = dropping.await.unwrap();

        let expected = ids_before_february(&pool).await;
        assert_eq!(
            (dropped, expected.len()),
            (Ok(0), 21),
            "nobody has seen one of them"
        );
        until_done(&system).await;
        if with_archive {
            assert_eq!(drop_old(&system, &archive).await, Ok(1));
            assert_eq!(archived(folder.path()).0, expected);
        } else {
            let dropped = system.drop_old_events(time::Duration::days(30), None).await;
            assert_eq!(dropped.unwrap(), 1);
        }
        assert_eq!(months(&pool).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_between_archiving_and_dropping_has_the_next_one_drop_what_is_there() {
    let database = TestDatabase::create().await;
    let folder = TempFolder::new("archive");
    let directory = folder.path().join("all");
    let first = Program::on(&database).with("FAIRLEAD__JOBS__LEASE_MS", "1000");
    let drops = first
        .clone()
        .with("FAIRLEAD__EVENTS__RETENTION_DAYS", "30")
        .with("FAIRLEAD__EVENTS__ARCHIVE_DIR", directory.to_str().unwrap());
    let pool = database.pool(DatabaseRole::Superuser, 2).await;
    let server = first.serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    make_month(&pool, "2020_01").await;
    record_in_january(&pool, &acme.id, 50).await;
    until_done(&system(&database).await).await;
    let expected = ids_before_february(&pool).await;
    server.signal("TERM");
    server.ended().await;

    // Somebody reads the month, so it can be archived and not be dropped.
    let mut reading = database.connect(DatabaseRole::Superuser).await;
    let mut reading = reading.begin().await.unwrap();
    reading
        .execute("SELECT count(*) FROM events_2020_01")
        .await
        .unwrap();
    let killed = drops.serve().await.unwrap();
    let month = directory.join("events-2020-01");
    wait_until("the month is archived", async || {
        fs::read_to_string(month.join("manifest.json"))
            .is_ok_and(|manifest| manifest.contains("\"isWhole\": true"))
    })
    .await;
    killed.signal("KILL");
    killed.ended().await;
    assert_eq!(months(&pool).await, 1);
    let written = fs::metadata(month.join("00001.jsonl.gz"))
        .unwrap()
        .modified()
        .unwrap();
    reading.rollback().await.unwrap();

    let _next = drops.serve().await.unwrap();
    wait_until("the month is dropped", async || months(&pool).await == 0).await;

    assert_eq!(archived(&directory), (expected, 1));
    let now = fs::metadata(month.join("00001.jsonl.gz")).unwrap();
    assert_eq!(now.modified().unwrap(), written, "it was written once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_that_drop_at_once_archive_each_event_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in_january(&pool, &acme.id, 12_000).await;
    let first = system(&app.database).await;
    until_done(&first).await;
    let expected = ids_before_february(&pool).await;
    let folder = TempFolder::new("archive");

    let mut droppers = Vec::new();
    for _ in 0..3 {
        let (sweeper, pool) = (system(&app.database).await, pool.clone());
        let archive = FileArchive::new(folder.path().to_owned());
        droppers.push(spawn(async move {
            let mut dropped = 0;
            while months(&pool).await > 0 {
                match drop_old(&sweeper, &archive).await {
                    Ok(count) => dropped += count,
                    Err(error) => {
                        let is_taken =
                            error.contains("another process is writing") || error.contains("Contended");
                        assert!(is_taken, "{error}");
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                }
            }
            dropped
        }));
    }
    let mut dropped = 0;
    for sweeper in droppers {
        dropped += sweeper.await.unwrap();
    }

    assert_eq!(archived(folder.path()), (expected, 1));
    assert_eq!(dropped, 1, "one of them has dropped it");
}

/// It was there when this process looked which months are old; another one has dropped it since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_that_another_process_has_dropped_meanwhile_leaves_nothing_in_the_archive() {
    // Nobody else reads the log, or waits for what is locked here.
    let app = TestApp::start_with(|config| config.roles = [Role::Api].into_iter().collect()).await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 2).await;
    make_month(&pool, "2020_01").await;
    record_in(&pool, "2020_01", &acme.id).await;
    let system = system(&app.database).await;
    let folder = TempFolder::new("archive");
    let archive = FileArchive::new(folder.path().to_owned());
    let mut other = app.database.connect(DatabaseRole::Superuser).await;
    let mut other = other.begin().await.unwrap();
    other.execute("LOCK TABLE event_readers").await.unwrap();

    let dropping = spawn(async move { drop_old(&system, &archive).await });
    wait_until("it looks whether somebody needs the month", async || {
        is_waiting(&pool, "a reader has not done them").await
    })
    .await;
    other.execute("DROP TABLE events_2020_01").await.unwrap();
    other.commit().await.unwrap();

    assert_eq!(dropping.await.unwrap(), Ok(0));
    assert_eq!(archived(folder.path()), (BTreeSet::new(), 0));
}

/// All data of all tenants is in them.
#[tokio::test]
async fn what_is_archived_is_its_owners_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in(&pool, "2020_01", &acme.id).await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let folder = TempFolder::new("archive");
    let directory = folder.path().join("all/months");
    // One of a version that left them to everybody's eyes.
    fs::create_dir_all(directory.join("events-2020-01")).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();

    assert_eq!(
        drop_old(&system, &FileArchive::new(directory.clone())).await,
        Ok(1)
    );

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let month = directory.join("events-2020-01");
    assert_eq!(mode(&month), 0o700);
    for file in fs::read_dir(&month).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let elsewhere = folder.path().join("new/months");
    record_in(&pool, "2020_01", &acme.id).await;
    until_done(&system).await;
    drop_old(&system, &FileArchive::new(elsewhere.clone()))
        .await
        .unwrap();
    assert_eq!(
        (mode(&elsewhere), mode(&folder.path().join("new"))),
        (0o700, 0o700)
    );
}
