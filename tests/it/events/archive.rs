//! Months of events that are written to disk before they are dropped.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use fairlead::FileArchive;
use fairlead_domain::events::{EventArchive as _, EventCursor, EventLog as _, EventSet};
use fairlead_postgres::PgSystemStore;
use fairlead_telemetry::spawn;
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, Executor as _, PgPool};
use support::database::DatabaseRole;
use support::{TempFolder, TestApp, wait_until};
use time::macros::date;
use time::{Date, Duration as Days};
use tokio::time::Instant;

use super::record_many;
use super::relays::Machine;
use super::retention::{make_month, record_in, system, until_done};

const JANUARY: Date = date!(2020 - 01 - 01);

/// So many events of a tenant in the middle of January 2020.
pub(super) async fn record_in_january(pool: &PgPool, tenant: &str, count: usize) {
    record_many(
        pool,
        tenant,
        "lead_updated",
        "timestamptz '2020-01-15 00:00Z'",
        count,
    )
    .await;
}

pub(super) async fn ids_before_february(pool: &PgPool) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT tenant_id || ' ' || id FROM events WHERE id < uuid_v7_floor('2020-02-01 00:00Z')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    ids.into_iter().collect()
}

pub(super) async fn months(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'events_2020___'")
        .fetch_one(pool)
        .await
        .unwrap()
}

pub(super) async fn drop_old(system: &PgSystemStore, archive: &FileArchive) -> Result<u32, String> {
    let dropped = system.drop_old_events(Days::days(30), Some(archive)).await;
    dropped.map_err(|error| format!("{:?}", anyhow::Error::from(error)))
}

/// What a directory of the archive has: its manifest, whose files are as it says, and the tenants and ids in them.
pub(super) fn read(directory: &Path) -> (Value, Vec<String>) {
    let manifest = fs::read(directory.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut ids = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let path = directory.join(file["name"].as_str().unwrap());
        let bytes = fs::read(&path).unwrap();
        let hash = Sha256::digest(&bytes)
            .iter()
            .fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
        assert_eq!(
            (&file["bytes"], file["sha256"].as_str()),
            (&Value::from(bytes.len()), Some(hash.as_str()))
        );
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(file["events"], text.lines().count());
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["specversion"], "1.0");
            ids.push(format!(
                "{} {}",
                event["tenantid"].as_str().unwrap(),
                event["id"].as_str().unwrap()
            ));
        }
    }
    assert_eq!(manifest["events"], ids.len());
    (manifest, ids)
}

#[tokio::test]
async fn a_month_is_archived_before_it_is_dropped_and_kept_while_it_cannot_be() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    // One lies in no month, and goes with it.
    record_in(&pool, "2019_12", &acme.id).await;
    for tenant in [&acme, &globex] {
        record_in(&pool, "2020_01", &tenant.id).await;
    }
    record_in_january(&pool, &acme.id, 12_000).await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let expected = ids_before_february(&pool).await;
    let folder = TempFolder::new("archive");

    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let refused = drop_old(&system, &FileArchive::new(file)).await.unwrap_err();
    assert!(refused.contains("cannot be archived"), "{refused}");
    assert_eq!(
        (ids_before_february(&pool).await.len(), months(&pool).await),
        (12_003, 1)
    );

    let archive = FileArchive::new(folder.path().join("archive"));
    assert_eq!(drop_old(&system, &archive).await, Ok(1));

    assert_eq!(
        (ids_before_february(&pool).await.len(), months(&pool).await),
        (0, 0)
    );
    let (manifest, ids) = read(&folder.path().join("archive/events-2020-01"));
    assert_eq!(
        (&manifest["isWhole"], manifest["files"].as_array().unwrap().len()),
        (&Value::Bool(true), 2)
    );
    assert_eq!(ids.len(), expected.len(), "each once");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn an_archive_goes_on_where_it_was_left_and_is_written_by_one_at_a_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in_january(&pool, &acme.id, 300).await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let expected = ids_before_february(&pool).await;
    let folder = TempFolder::new("archive");
    let archive = FileArchive::new(folder.path().to_owned());
    let directory = folder.path().join("events-2020-01");

    // A process that had written the first hundred, and was killed while it wrote the next.
    let events = system.read(EventCursor::START, 1_000).await.unwrap().events;
    let of_january = events
        .into_iter()
        .filter(|event| expected.contains(&format!("{} {}", event.tenant, event.id)));
    let mut of_january: Vec<_> = of_january.collect();
    of_january.sort_by_key(|event| event.id);
    of_january.truncate(100);
    let mut begun = archive
        .open(
            JANUARY,
            EventSet {
                count: 300,
                digest: 0,
            },
        )
        .await
        .unwrap();
    begun.append(of_january).await.unwrap();
    let taken = drop_old(&system, &archive).await.unwrap_err();
    assert!(taken.contains("another process is writing"), "{taken}");
    drop(begun);
    fs::write(directory.join("00002.jsonl.gz"), "torn").unwrap();
    let (manifest, ids) = read(&directory);
    assert_eq!((&manifest["isWhole"], ids.len()), (&Value::Bool(false), 100));

    assert_eq!(drop_old(&system, &archive).await, Ok(1));

    let (manifest, ids) = read(&directory);
    assert_eq!(
        (&manifest["isWhole"], manifest["files"].as_array().unwrap().len()),
        (&Value::Bool(true), 2)
    );
    assert_eq!(ids.len(), 300, "each once");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn what_is_added_to_a_month_that_was_archived_is_archived_with_it_anew() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in_january(&pool, &acme.id, 3).await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let folder = TempFolder::new("archive");
    let archive = FileArchive::new(folder.path().to_owned());
    let events = system.read(EventCursor::START, 1_000).await.unwrap().events;
    let expected = ids_before_february(&pool).await;
    let mut of_january: Vec<_> = events;
    of_january.retain(|event| expected.contains(&format!("{} {}", event.tenant, event.id)));
    // The process ended before it could drop what it had archived.
    let mut set = EventSet::default();
    for event in &of_january {
        set.add(event.id);
    }
    let mut whole = archive.open(JANUARY, set).await.unwrap();
    whole.append(of_january).await.unwrap();
    whole.seal().await.unwrap();
    drop(whole);
    record_in(&pool, "2020_01", &acme.id).await;
    until_done(&system).await;
    let expected = ids_before_february(&pool).await;

    assert_eq!(drop_old(&system, &archive).await, Ok(1));

    let (first, _) = read(&folder.path().join("events-2020-01"));
    let (second, ids) = read(&folder.path().join("events-2020-01.2"));
    assert_eq!(
        (&first["events"], &second["events"]),
        (&Value::from(3), &Value::from(4))
    );
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(ids_before_february(&pool).await.len(), 0);
}

/// Of a clock that is wrong each of these is in no month, and comes when those before it are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_events_as_were_archived_before_are_not_taken_for_those() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    let system = system(&app.database).await;
    let folder = TempFolder::new("archive");
    let archive = FileArchive::new(folder.path().to_owned());
    let mut expected = BTreeSet::new();
    for _ in 0..3 {
        record_in_january(&pool, &acme.id, 1).await;
        expected.append(&mut ids_before_february(&pool).await);
        until_done(&system).await;
        drop_old(&system, &archive).await.unwrap();
        assert_eq!(ids_before_february(&pool).await.len(), 0);
    }

    let mut archived = BTreeSet::new();
    for directory in fs::read_dir(folder.path()).unwrap() {
        archived.extend(read(&directory.unwrap().path()).1);
    }
    assert_eq!(archived, expected);
}

/// Whoever reads keeps the month, and whoever writes must not wait behind both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_month_that_somebody_still_reads() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in_january(&pool, &acme.id, 10).await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let mut reading = app.database.connect(DatabaseRole::Superuser).await;
    let mut reading = reading.begin().await.unwrap();
    reading.execute("SELECT count(*) FROM events").await.unwrap();
    // Reads a row of the tenant as its writers do, and is in nobody's way by anything else.
    let mut writing = app.database.connect(DatabaseRole::Superuser).await;

    let machine = Machine::watch();
    let dropping = spawn(async move { system.drop_old_events(Days::days(30), None).await });
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(3) {
        let wrote = Instant::now();
        writing.execute("SELECT FROM events LIMIT 1").await.unwrap();
        longest = longest.max(wrote.elapsed());
    }
    reading.rollback().await.unwrap();
    let dropped = dropping.await.unwrap().unwrap();

    let stood_still = machine.stood_still();
    println!("the longest wait was {} ms", longest.as_millis());
    assert_eq!(dropped, 1);
    wait_until("it is gone", async || months(&pool).await == 0).await;
    assert!(
        longest < Duration::from_millis(150) + stood_still,
        "{longest:?}, {stood_still:?} of which for want of a machine"
    );
}
