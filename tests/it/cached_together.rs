//! Processes that share a Redis: what one changes the others show, be it a server or a command, and however far behind a
//! replica is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::TestPair;
use support::process::{Program, Serving};
use support::{Client, Response, TestDatabase, TestTenant, repetitions, wait_until};

use super::cache::RedisServer;
use super::cached_reads::{LIST, get, source};

/// The program of one installation on a database, which shares `redis` with others.
pub(super) fn program(database: &TestDatabase, redis: &RedisServer) -> Program {
    Program::on(database)
        .with("FAIRLEAD__CACHE__REDIS__URL", redis.url())
        .with(
            "FAIRLEAD__AUTH__KEYS_DIR",
            &keys_dir(&database.url(DatabaseRole::App)),
        )
}

/// Two processes of one installation.
pub(super) async fn pair(program: &Program) -> [Serving; 2] {
    let first = program.serve().await.unwrap();
    let second = program.serve().await.unwrap();
    for server in [&first, &second] {
        until_shared(server).await;
    }
    [first, second]
}

pub(super) async fn until_shared(server: &Serving) {
    wait_until("the process hears of the others", async || {
        let ready = server.anonymous().get("/health/ready").await.expect(200);
        !ready["reduced"].to_string().contains("Redis")
    })
    .await;
}

/// Signing keys that both processes know.
pub(super) fn keys_dir(database_url: &str) -> String {
    let name = database_url.rsplit('/').next().unwrap();
    std::env::temp_dir()
        .join(format!("keys-of-{name}"))
        .display()
        .to_string()
}

/// The same caller at another process.
pub(super) fn at(client: &Client, server: &Serving) -> Client {
    client.at(&server.url)
}

#[tokio::test]
async fn a_write_in_one_process_is_seen_in_the_other() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let [first, second] = pair(&program(&database, &redis)).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let (here, there) = (&acme.owner, at(&acme.owner, &second));
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    wait_until("the other process answers from its memory", async || {
        source(&there.get(&lead).await) == "l1"
    })
    .await;

    for round in 0..20 {
        let name = format!("Ann {round}");
        let written = here.patch(&lead, json!({ "name": name })).await;
        let token = written.header("fairlead-consistency").unwrap();

        // With the token at once, and without it soon.
        let asked = get(&there, &lead, &[("fairlead-consistency", token)]).await;
        assert_eq!(asked.expect(200)["name"], name.as_str(), "{asked:?}");
        wait_until("the change is heard of", async || {
            there.get(&lead).await.expect(200)["name"] == name.as_str()
        })
        .await;
    }
    let shared = at(&acme.owner, &second).get("/api/v1/leads?status=NEW").await;
    assert_eq!(shared.status, 200);
    assert_eq!(
        source(&here.get("/api/v1/leads?status=NEW").await),
        "l2",
        "what one has loaded serves the other"
    );
}

/// Nothing is told twice: the log of events, which brings the change as well, finds it known.
#[tokio::test]
async fn what_was_heard_of_once_is_loaded_once() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let [first, second] = pair(&program(&database, &redis)).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), at(&acme.owner, &second)];
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);

    for round in 0..3 {
        let name = format!("Ann {round}");
        clients[round % 2]
            .patch(&lead, json!({ "name": name }))
            .await
            .expect(200);
        for client in &clients {
            wait_until("the change is heard of", async || {
                let kept = client.get(&lead).await;
                source(&kept) == "l1" && kept.expect(200)["name"] == name.as_str()
            })
            .await;
        }
        // Long enough for the log to bring it.
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            for client in &clients {
                let kept = client.get(&lead).await;
                assert_eq!(source(&kept), "l1", "round {round}: {kept:?}");
            }
        }
    }
}

#[tokio::test]
async fn redis_goes_and_comes_under_load_and_no_request_fails() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let [first, second] = pair(&program(&database, &redis)).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let clients = [acme.owner.clone(), at(&acme.owner, &second)];
    let stop = Arc::new(AtomicBool::new(false));
    let requests: Vec<_> = (0..6)
        .map(|number| {
            let client = clients[number % 2].clone();
            let (lead, stop) = (lead.clone(), Arc::clone(&stop));
            fairlead_telemetry::spawn(async move {
                let (mut answered, mut failed) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let response = if number == 0 {
                        client
                            .patch(&lead, json!({ "company": format!("Ltd {answered}") }))
                            .await
                    } else {
                        client.get([LIST, &lead][answered % 2]).await
                    };
                    answered += 1;
                    if !response.status.is_success() {
                        failed.push(format!("{response:?}"));
                    }
                }
                (answered, failed)
            })
        })
        .collect();

    let pause = Duration::from_millis(700);
    tokio::time::sleep(pause).await;
    redis.with(|stack| stack.pause(Service::Redis).unwrap()).await;
    tokio::time::sleep(pause).await;
    redis.with(|stack| stack.resume(Service::Redis).unwrap()).await;
    tokio::time::sleep(pause).await;
    redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;
    tokio::time::sleep(pause).await;
    redis.with(|stack| stack.restart(Service::Redis).unwrap()).await;
    tokio::time::sleep(pause).await;
    stop.store(true, Ordering::Relaxed);

    let mut answered = 0;
    for task in requests {
        let (answers, failed) = task.await.unwrap();
        assert_eq!(failed, Vec::<String>::new());
        answered += answers;
    }
    println!("{answered} requests, none failed");
    let now = clients[0].get(&lead).await.expect(200)["company"].clone();
    wait_until("both processes agree again", async || {
        clients[1].get(&lead).await.expect(200)["company"] == now
    })
    .await;
}

#[tokio::test]
async fn what_a_command_changes_servers_show_and_without_redis_it_says_so() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let program = program(&database, &redis);
    let server = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let falsify = "UPDATE lead_statistics SET leads = 4";
    sqlx::raw_sql(falsify).execute(&mut superuser).await.unwrap();
    let statistics = "/api/v1/leads/statistics";
    let total = async || acme.owner.get(statistics).await.expect(200)["total"].clone();
    assert_eq!(total().await, 4);

    let repaired = program.run(&["statistics", "repair", "--all"]).await;

    assert!(repaired.status.success(), "{}", repaired.stderr);
    assert!(!repaired.stderr.contains("redis"), "{}", repaired.stderr);
    wait_until("the server shows it", async || total().await == 1).await;

    sqlx::raw_sql(falsify).execute(&mut superuser).await.unwrap();
    let alone = Program::on(&database)
        .run(&["statistics", "repair", "--all"])
        .await;
    assert!(
        alone.stderr.contains("cache.redis.url is not set"),
        "{}",
        alone.stderr
    );
}

/// Who keeps no answers still asks a replica no further than it has come.
#[tokio::test(flavor = "multi_thread")]
async fn with_answers_not_kept_processes_still_tell_each_other_what_is_written() {
    let (databases, program) = TestPair::start().await;
    let redis = RedisServer::start().await;
    let keys = keys_dir(&databases.read_url(Service::Replica).replace(['?', ':'], "-"));
    let program = program
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false")
        .with("FAIRLEAD__CACHE__REDIS__URL", redis.url())
        .with("FAIRLEAD__AUTH__KEYS_DIR", &keys);
    let [first, second] = pair(&program).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let other = TestTenant::sign_up(first.anonymous(), "other").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let of_other = format!("/api/v1/leads/{}", other.lead("Bob").await);
    let (there, other_there) = (at(&acme.owner, &second), at(&other.owner, &second));
    wait_until("the other process reads the replica", async || {
        let reads = [there.get(&lead).await, other_there.get(&of_other).await];
        let from_replica = |read: &Response| read.status == 200 && source(read).starts_with("replica");
        reads.iter().all(from_replica)
    })
    .await;
    // Else word of a write from before arrives after the replica has stopped short of it.
    databases.wait_until_replayed().await;
    databases.on_replica("SELECT pg_wal_replay_pause()");

    acme.owner
        .patch(&lead, json!({ "name": "Bea" }))
        .await
        .expect(200);

    wait_until("the write is heard of", async || {
        there.get(&lead).await.expect(200)["name"] == "Bea"
    })
    .await;
    let elsewhere = other_there.get(&of_other).await;
    assert!(
        source(&elsewhere).starts_with("replica"),
        "it serves nobody any more"
    );
}

/// Each write is read back by everybody while the replica stops and goes on by turns: what it lacks nobody is shown, and
/// nothing that was loaded from it is kept beyond its time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_old_is_shown_though_the_replica_stops_by_turns() {
    let (pair_of_databases, program) = TestPair::start().await;
    let redis = RedisServer::start().await;
    let program = program
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "true")
        .with("FAIRLEAD__CACHE__REDIS__URL", redis.url())
        .with(
            "FAIRLEAD__AUTH__KEYS_DIR",
            &keys_dir(
                &pair_of_databases
                    .read_url(Service::Replica)
                    .replace(['?', ':'], "-"),
            ),
        );
    let [first, second] = pair(&program).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), at(&acme.owner, &second)];
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let mut from_replica = 0;

    for round in 0..repetitions(12) {
        let is_stopped = round % 2 == 0;
        pair_of_databases.on_replica(if is_stopped {
            "SELECT pg_wal_replay_pause()"
        } else {
            "SELECT pg_wal_replay_resume()"
        });
        let (here, there) = (&clients[round % 2], &clients[1 - round % 2]);
        let name = format!("Ann {round}");
        let written = here.patch(&lead, json!({ "name": name })).await;
        let token = written.header("fairlead-consistency").unwrap();
        let name_in = |answer: Value| {
            let lead = answer
                .get("items")
                .map_or(answer.clone(), |items| items[0].clone());
            lead["name"].as_str().unwrap().to_owned()
        };

        // The other process goes first: what it shows it has to load itself. With the token it need not wait.
        if round % 3 == 0 {
            let asked = get(there, &lead, &[("fairlead-consistency", token)]).await;
            assert_eq!(name_in(asked.expect(200)), name, "elsewhere, with the token");
        }
        wait_until("the change is heard of", async || {
            name_in(there.get(&lead).await.expect(200)) == name
        })
        .await;
        assert_eq!(name_in(there.get(LIST).await.expect(200)), name);
        for path in [&*lead, LIST] {
            assert_eq!(name_in(here.get(path).await.expect(200)), name, "{path}");
        }
        for client in [&clients[0], &clients[1], &clients[0]] {
            for path in [&*lead, LIST] {
                let fresh = get(client, path, &[("cache-control", "no-cache")]).await;
                from_replica += usize::from(source(&fresh).starts_with("replica"));
                let kept = client.get(path).await;
                for shown in [fresh, kept] {
                    assert_eq!(name_in(shown.expect(200)), name, "{path}: {shown:?}");
                }
            }
        }
    }
    assert!(from_replica > 0, "the replica was never asked");
}

/// What one process revokes the other hears of by Redis: it need not be able to look it up.
#[tokio::test]
async fn a_key_that_one_process_revokes_the_other_refuses_though_it_cannot_look_it_up() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let program = program(&database, &redis);
    let starved = program
        .clone()
        .with("FAIRLEAD__DATABASE__SYSTEM_POOL__MIN", "0")
        .with("FAIRLEAD__DATABASE__SYSTEM_POOL__MAX", "1")
        .with("FAIRLEAD__DATABASE__SYSTEM_POOL__ACQUIRE_TIMEOUT_MS", "200");
    let (first, second) = (program.serve().await.unwrap(), starved.serve().await.unwrap());
    for server in [&first, &second] {
        until_shared(server).await;
    }
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let machine = at(&acme.machine(&["leads:read"]).await, &second);
    machine.get("/api/v1/auth/me").await.expect(200);
    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let key = format!(
        "/api/v1/tenant/api-keys/{}",
        keys["items"][0]["id"].as_str().unwrap()
    );
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    let lock = "BEGIN; LOCK TABLE login_failures IN ACCESS EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();
    let login = {
        let anonymous = second.anonymous();
        let body = json!({ "email": acme.owner_email, "password": "of no matter", "tenant": acme.slug });
        fairlead_telemetry::spawn(async move { anonymous.post("/api/v1/auth/login", body).await })
    };
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    wait_until("the only connection waits", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        waiting == 1
    })
    .await;
    assert_eq!(machine.get("/api/v1/auth/me").await.status, 200);

    acme.owner.delete(&key).await.expect(204);

    let revoked = Instant::now();
    wait_until("it is refused", async || {
        machine.get("/api/v1/auth/me").await.status == 503
    })
    .await;
    let took = revoked.elapsed();
    // Without a word from the other it would count for half a minute.
    assert!(took < Duration::from_secs(5), "{took:?}");
    blocker.execute("ROLLBACK").await.unwrap();
    wait_until("it is found to be revoked", async || {
        machine.get("/api/v1/auth/me").await.status == 401
    })
    .await;
    login.await.unwrap();
}
