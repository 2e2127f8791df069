//! The program as operators meet it: what it refuses, how it stops, what it says.

use std::fs;
use std::net::TcpStream;

use fairlead_api::spec;
use fairlead_devstack::{Durability, Postgres, Root, Stack, StackOptions};
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::process::{Ended, Program, SECRET, Serving};
use support::{PASSWORD, TestDatabase, TestTenant, wait_until};

use super::cache::RedisServer;

async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"))
}

async fn stop(serving: Serving) -> Ended {
    serving.signal("TERM");
    let ended = serving.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    ended
}

/// What the program says would mend its refusal.
fn mending_sql(refused: &Ended) -> Vec<String> {
    let lines = refused
        .stderr
        .lines()
        .filter_map(|line| line.trim().strip_prefix("mend it: "));
    lines.map(str::to_owned).collect()
}

/// A PostgreSQL of its own: roles belong to a whole server, and other tests use the same ones on theirs.
struct PrivateServer {
    postgres: Postgres,
    _stack: Stack,
}

const DATABASE: &str = "fairlead";

impl PrivateServer {
    async fn start(durability: Durability) -> (Self, Program) {
        let server = tokio::task::block_in_place(|| {
            let options = StackOptions {
                root: Root::Temporary,
                durability,
            };
            let stack = Stack::start(options, &|_| {}).unwrap();
            let postgres = stack.postgres().unwrap();
            Self {
                postgres,
                _stack: stack,
            }
        });
        server.run(
            "postgres",
            &bootstrap_sql(&BootstrapPasswords {
                owner: "test",
                app: "test",
                system: "test",
            }),
        );
        server.run(
            "postgres",
            &format!("CREATE DATABASE {DATABASE} OWNER fairlead_owner"),
        );
        let url = |role: &str| {
            format!(
                "postgres://{role}:test@127.0.0.1:{}/{DATABASE}",
                server.postgres.port()
            )
        };
        let program = Program::at([url("fairlead_app"), url("fairlead_system"), url("fairlead_owner")]);
        let migrated = program.run(&["migrate"]).await;
        assert!(migrated.status.success(), "{migrated:?}");
        (server, program)
    }

    /// Runs SQL as the superuser.
    fn run(&self, database: &str, sql: &str) {
        tokio::task::block_in_place(|| self.postgres.run_sql(database, sql)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_roles_that_could_reach_other_tenants_and_says_what_mends_them() {
    let (server, program) = PrivateServer::start(Durability::Fast).await;
    stop(serve(&program).await).await;
    let faults = [
        (
            "ALTER ROLE fairlead_app SUPERUSER",
            "role fairlead_app is a superuser",
        ),
        (
            "ALTER ROLE fairlead_app BYPASSRLS",
            "role fairlead_app has BYPASSRLS",
        ),
        (
            "ALTER ROLE fairlead_system BYPASSRLS",
            "role fairlead_system has BYPASSRLS",
        ),
        (
            "ALTER TABLE seaql_migrations OWNER TO fairlead_app",
            "role fairlead_app owns",
        ),
        (
            "GRANT fairlead_system TO fairlead_app",
            "role fairlead_app can become fairlead_system",
        ),
        (
            "GRANT fairlead_owner TO fairlead_app",
            "role fairlead_app can become fairlead_owner",
        ),
        (
            "CREATE ROLE boss SUPERUSER; CREATE ROLE deputy; GRANT boss TO deputy; GRANT deputy TO fairlead_app",
            "role fairlead_app can become boss",
        ),
    ];

    for (fault, what) in faults {
        server.run(DATABASE, fault);

        let refused = program.serve().await.expect_err(fault);

        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains(what), "{fault}: {}", refused.stderr);
        let mending = mending_sql(&refused);
        assert!(!mending.is_empty(), "{}", refused.stderr);
        for sql in mending {
            server.run(DATABASE, &sql);
        }
        stop(
            program
                .serve()
                .await
                .unwrap_or_else(|ended| panic!("{fault} was mended: {}", ended.stderr)),
        )
        .await;
    }
}

#[tokio::test]
async fn it_refuses_tables_without_their_protection_and_says_what_mends_them() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let program = Program::on(&database);
    let faults = [
        (
            "ALTER TABLE leads NO FORCE ROW LEVEL SECURITY",
            "row-level security of table leads is not forced",
        ),
        (
            "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
            "table users is without row-level security",
        ),
        (
            "ALTER TABLE events_default DISABLE ROW LEVEL SECURITY",
            "table events_default is without row-level security",
        ),
        (
            "DROP POLICY tenant ON carriers",
            "table carriers has no policy that binds fairlead_app to its tenant",
        ),
        (
            "ALTER POLICY tenant ON activities USING (true)",
            "table activities has no policy that binds fairlead_app to its tenant",
        ),
        (
            "CREATE POLICY everybody ON audit_log USING (true)",
            "table audit_log shows fairlead_app more",
        ),
        (
            "CREATE TABLE notes (tenant_id UUID NOT NULL, id UUID NOT NULL, PRIMARY KEY (tenant_id, id))",
            "table notes is without row-level security",
        ),
    ];

    for (fault, what) in faults {
        superuser.execute(fault).await.unwrap();

        let refused = program.serve().await.expect_err(fault);

        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains(what), "{fault}: {}", refused.stderr);
        for sql in mending_sql(&refused) {
            superuser.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        stop(
            program
                .serve()
                .await
                .unwrap_or_else(|ended| panic!("{fault} was mended: {}", ended.stderr)),
        )
        .await;
    }
}

#[tokio::test]
async fn it_refuses_a_schema_that_is_older_than_itself() {
    let database = TestDatabase::empty().await;
    let program = Program::on(&database);

    let refused = program.serve().await.expect_err("there is no schema");

    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("fairlead migrate"), "{}", refused.stderr);
}

#[tokio::test]
async fn with_nothing_configured_it_serves_on_a_database_of_its_own_and_finds_it_again() {
    let program = Program::unconfigured();
    let first = serve(&program).await;
    TestTenant::sign_up(first.anonymous(), "acme").await;
    stop(first).await;

    let again = serve(&program).await;

    let login = json!({ "email": "owner@acme.test", "password": PASSWORD });
    again
        .anonymous()
        .post("/api/v1/auth/login", login)
        .await
        .expect(200);
    stop(again).await;
}

#[tokio::test]
async fn an_unknown_key_stops_the_start_and_the_right_one_is_suggested() {
    let program = Program::unconfigured().with("FAIRLEAD__HTTP__PROT", "1");
    program
        .data_dir
        .write("fairlead.toml", "[database.pool]\nmaximum = 7\n");

    let refused = program.serve().await.expect_err("no key of that name");

    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for told in [
        "http.prot",
        "FAIRLEAD__HTTP__PROT",
        "http.port",
        "database.pool.maximum",
        "fairlead.toml",
    ] {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn config_explain_lists_every_key_with_its_origin_and_no_secret() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS", "1234");

    let for_people = program.run(&["config", "explain"]).await;
    let for_machines = program.run(&["config", "explain", "--json"]).await;

    assert!(
        for_people.status.success() && for_machines.status.success(),
        "{for_people:?}"
    );
    let keys: Value = serde_json::from_str(&for_machines.stdout).unwrap();
    let keys = keys.as_array().expect("a list");
    assert_eq!(keys.len(), fairlead::config::KEYS.len());
    for key in keys {
        assert!(for_people.stdout.contains(key["key"].as_str().unwrap()), "{key}");
    }
    let timeout = keys
        .iter()
        .find(|key| key["key"] == "http.request_timeout_ms")
        .unwrap();
    assert_eq!(
        (&timeout["value"], &timeout["unit"]),
        (&json!("1234"), &json!("ms"))
    );
    assert_eq!(timeout["origin"], "env:FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS");
    for text in [&for_people.stdout, &for_machines.stdout] {
        assert!(
            !text.contains(SECRET) && !text.contains("fairlead_app:"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_healthy_installation_healthy() {
    let (_server, program) = PrivateServer::start(Durability::Safe).await;

    let examined = program.run(&["doctor", "--json"]).await;

    let report: Value = serde_json::from_str(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
    assert!(examined.status.success(), "{report:#}");
    assert_ne!(report["verdict"], "fail");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 5, "{report:#}");
    for check in checks {
        assert_eq!(
            check.get("fix").is_some(),
            check["verdict"] != "ok",
            "what is wrong has a fix: {check}"
        );
    }
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_and_what_mends_it() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute("ALTER TABLE leads NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let program = Program::on(&database);

    let for_machines = program.run(&["doctor", "--json"]).await;
    let for_people = program.run(&["doctor"]).await;

    assert_eq!(
        (for_machines.status.code(), for_people.status.code()),
        (Some(1), Some(1))
    );
    let report: Value = serde_json::from_str(&for_machines.stdout).unwrap();
    assert_eq!(report["verdict"], "fail", "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let isolation = checks
        .iter()
        .find(|check| check["name"] == "tenant isolation")
        .unwrap();
    assert_eq!(isolation["verdict"], "fail");
    let mend = "ALTER TABLE leads FORCE ROW LEVEL SECURITY;";
    assert!(isolation["fix"].as_str().unwrap().contains(mend), "{isolation}");
    assert!(for_people.stdout.contains(mend), "{}", for_people.stdout);
}

#[tokio::test]
async fn the_doctor_says_when_redis_does_not_tell_who_it_is() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let doctor = async |url: &str| {
        let program = Program::on(&database).with("FAIRLEAD__CACHE__REDIS__URL", url);
        let examined = program.run(&["doctor", "--json"]).await;
        let report: Value = serde_json::from_str(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
        let checks = report["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == "cache")
            .unwrap()
            .clone()
    };
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("careful").arg("on").arg("nopass");
    user.arg("~*").arg("&*").arg("+@all").arg("-info");
    redis.command::<()>(&user).await;
    let (_, place) = redis.url().rsplit_once('@').unwrap();

    let (may, may_not) = (
        doctor(redis.url()).await,
        doctor(&format!("redis://careful:any@{place}")).await,
    );

    assert_eq!(may["verdict"], "ok", "{may}");
    assert_eq!(may_not["verdict"], "warn", "{may_not}");
    assert!(may_not["fix"].as_str().unwrap().contains("+info"), "{may_not}");
}

#[tokio::test]
async fn the_doctor_says_when_the_log_of_events_is_of_another_server() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute("INSERT INTO event_readers VALUES ('of another server', '4000000000', 1, now())")
        .await
        .unwrap();

    let examined = Program::on(&database).run(&["doctor", "--json"]).await;

    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let log = checks.iter().find(|check| check["name"] == "log of events");
    assert_eq!(log.unwrap()["verdict"], "fail", "{report:#}");
    assert_eq!(examined.status.code(), Some(1));
}

#[tokio::test]
async fn the_doctor_says_when_there_is_no_database() {
    let nowhere = "postgres://fairlead_app:test@127.0.0.1:1/fairlead".to_owned();
    let program = Program::at([nowhere.clone(), nowhere.clone(), nowhere])
        .with("FAIRLEAD__DATABASE__POOL__CONNECT_TIMEOUT_MS", "100");

    let examined = program.run(&["doctor", "--json"]).await;

    assert_eq!(examined.status.code(), Some(1), "{examined:?}");
    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    assert_eq!(report["verdict"], "fail", "{report:#}");
}

#[tokio::test]
async fn openapi_writes_the_specification_without_a_database() {
    let program = Program::unconfigured();
    let folder = program.data_dir.path().join("openapi");

    let written = program.run(&["openapi", "--out", folder.to_str().unwrap()]).await;

    assert!(written.status.success(), "{written:?}");
    assert_eq!(
        fs::read_to_string(folder.join("openapi.json")).unwrap(),
        spec::openapi_json()
    );
    assert_eq!(
        fs::read_to_string(folder.join("problems.md")).unwrap(),
        spec::problems_markdown()
    );
}

#[tokio::test]
async fn a_request_that_takes_long_is_warned_of() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__HTTP__SLOW_REQUEST_MS", "1");
    let server = serve(&program).await;
    // Who signs up waits for a password to be hashed.
    TestTenant::sign_up(server.anonymous(), "acme").await;

    wait_until("it is warned of", async || {
        server.events().into_iter().any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["level"] == "WARN" && message.starts_with("Slow request: POST /api/v1/auth/signup - ")
        })
    })
    .await;
}

#[tokio::test]
async fn each_log_line_is_json_and_names_the_request_it_belongs_to() {
    let database = TestDatabase::create().await;
    let server = serve(&Program::on(&database)).await;
    let anonymous = server.anonymous();
    let (trace, id) = ("0af7651916cd43dd8448eb211c80319c", "the-request-id");
    let request = anonymous
        .request(Method::GET, "/api/v1/leads")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("x-request-id", id);

    let response = anonymous.send(request).await;

    assert_eq!(
        (response.status.as_u16(), response.header("x-request-id")),
        (401, Some(id))
    );
    assert!(response.header("traceparent").unwrap().contains(trace));
    assert_eq!(response.json()["instance"], format!("urn:trace:{trace}"));
    let of_request = || {
        server
            .events()
            .into_iter()
            .filter(|event| event["trace.id"] == trace)
            .collect::<Vec<_>>()
    };
    wait_until("the request is logged", async || !of_request().is_empty()).await;
    for event in of_request() {
        assert_eq!(event["request.id"], id);
        for field in ["timestamp", "level", "target", "message"] {
            assert!(event[field].is_string(), "{field}: {event}");
        }
    }
    let answered = of_request()
        .into_iter()
        .find(|event| event["http.status"].is_number())
        .expect("one line an answer");
    assert_eq!(
        (&answered["http.status"], &answered["http.method"]),
        (&json!(401), &json!("GET"))
    );
    for line in stop(server).await.stderr.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

/// A request that waits inside the database until the returned connection lets go.
async fn in_flight(
    database: &TestDatabase,
    server: &Serving,
) -> (sqlx::PgConnection, tokio::task::JoinHandle<u16>) {
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let request = fairlead_telemetry::spawn(async move {
        acme.owner
            .post("/api/v1/carriers", json!({ "name": "Slow but steady" }))
            .await
            .status
            .as_u16()
    });
    let mut watcher = database.connect(DatabaseRole::Superuser).await;
    wait_until("the request waits in the database", async || {
        let waiting =
            "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'carriers'::regclass AND NOT granted)";
        sqlx::query_scalar(waiting).fetch_one(&mut watcher).await.unwrap()
    })
    .await;
    (blocker, request)
}

#[tokio::test]
async fn a_request_in_flight_is_finished_when_the_server_is_told_to_stop() {
    let database = TestDatabase::create().await;
    let server = serve(&Program::on(&database)).await;
    let (blocker, request) = in_flight(&database, &server).await;

    server.signal("TERM");
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    wait_until("nobody else is let in", async || {
        TcpStream::connect(&address).is_err()
    })
    .await;
    assert!(!request.is_finished());
    blocker.close().await.unwrap();

    assert_eq!(request.await.unwrap(), 201);
    let ended = server.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    let carriers: i64 = sqlx::query_scalar("SELECT count(*) FROM carriers")
        .fetch_one(&mut database.connect(DatabaseRole::System).await)
        .await
        .unwrap();
    assert_eq!(carriers, 1);
}

#[tokio::test]
async fn a_second_signal_stops_the_server_at_once() {
    let database = TestDatabase::create().await;
    let server = serve(&Program::on(&database)).await;
    let (blocker, request) = in_flight(&database, &server).await;

    server.signal("TERM");
    wait_until("the first signal is understood", async || {
        server.log().iter().any(|line| line.contains("signal again"))
    })
    .await;
    server.signal("INT");
    let ended = server.ended().await;

    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    request.abort();
    drop(blocker);
}
