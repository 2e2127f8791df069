//! What becomes of files that are sent, well or badly, once or twice.

use fairlead::config::Secret;
use reqwest::Method;
use serde_json::json;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::{self, TestPair};
use support::proxy::Proxy;
use support::{Client, Response, TestApp, TestTenant, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{counted, import, location, rows, wait_for_end, wait_until_held_up};

#[tokio::test]
async fn what_cannot_be_imported_is_refused_as_without_an_operation_and_leaves_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let send = async |file: &str, media_type: &str, prefer: &str| {
        let request = acme.owner.request(Method::POST, "/api/v1/leads/import");
        let request = request
            .header("content-type", media_type)
            .header("prefer", prefer)
            .header(
                "traceparent",
                "00-0000000000000000000000000000000a-000000000000000b-01",
            );
        acme.owner.send(request.body(file.to_owned())).await
    };
    for (file, media_type) in [
        ("", "text/csv"),
        ("shoes,size\n1,2\n", "text/csv"),
        ("name\nAnn\n", "application/json"),
    ] {
        let direct = send(file, media_type, "return=minimal").await;
        let background = send(file, media_type, "respond-async").await;

        assert!(direct.status.is_client_error(), "{direct:?}");
        assert_eq!(
            (background.status, &background.body),
            (direct.status, &direct.body)
        );
    }

    // A dry run is answered directly.
    let dry = import(&acme.owner, "?dryRun=true", "name\nAnn\n").await;
    assert_eq!(dry.expect(200)["successful"], 1);
    assert_eq!(dry.header("preference-applied"), None);

    let operations = acme.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(operations["items"], json!([]));
    assert_eq!(counted(&mut database).await, (0, 0, 0));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let key = acme.key(&["leads:write"]).await;
    let rows = format!("name,email,company\n{}", rows(0..1_500, ""));
    let address = app.url().trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/leads/import HTTP/1.1\r\nhost: {address}\r\nx-tenant-key: {key}\r\n\
         content-type: text/csv\r\nprefer: respond-async\r\ncontent-length: 1000000\r\n\r\n{rows}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    wait_until("a part is kept", async || counted(&mut database).await.2 == 1).await;

    // The client goes away in the middle of the file.
    drop(connection);
    wait_until("nothing is kept", async || counted(&mut database).await.2 == 0).await;

    let operations = acme.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(operations["items"], json!([]));
}

async fn import_with_key(client: &Client, key: &str, file: &str) -> Response {
    let request = client.request(Method::POST, "/api/v1/leads/import");
    let request = request
        .header("content-type", "text/csv")
        .header("prefer", "respond-async")
        .header("idempotency-key", key);
    client.send(request.body(file.to_owned())).await
}

#[tokio::test]
async fn the_same_file_under_the_same_key_is_the_same_operation() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let file = format!("name,email,company\n{}", rows(0..1_500, ""));

    let first = import_with_key(&acme.owner, "k1", &file).await;
    let (again, at_once) = tokio::join!(
        import_with_key(&acme.owner, "k1", &file),
        import_with_key(&acme.owner, "k1", &file)
    );
    let other = import_with_key(&acme.owner, "k1", &file.replace("lead-7@", "lead-8@")).await;
    wait_for_end(&acme.owner, &location(&first)).await;
    let late = import_with_key(&acme.owner, "k1", &file).await;

    for repeated in [&again, &at_once, &late] {
        assert_eq!(location(repeated), location(&first));
        assert_eq!(repeated.body, first.body);
        assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
        assert_eq!(repeated.header("preference-applied"), Some("respond-async"));
    }
    assert_eq!(
        (other.status.as_u16(), other.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    assert_eq!(counted(&mut database).await, (1_500, 1_500, 0));
}

#[tokio::test]
async fn of_two_that_send_one_file_under_one_key_at_once_one_begins_it() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let file = format!("name,email,company\n{}", rows(0..1_500, ""));

    let (one, other) = tokio::join!(
        import_with_key(&acme.owner, "k1", &file),
        import_with_key(&acme.owner, "k1", &file)
    );

    assert_eq!(location(&one), location(&other));
    let listed = acme.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    wait_until("the parts of the other are dropped", async || {
        counted(&mut database).await.2 == 2
    })
    .await;
}

#[tokio::test]
async fn a_row_with_a_character_that_cannot_be_kept_fails_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let json = acme
        .owner
        .request(Method::POST, "/api/v1/leads/import")
        .header("content-type", "application/x-ndjson")
        .header("prefer", "respond-async")
        .body("{\"name\":\"A\",\"x\\u0000\":1}\n{\"name\":\"B\\u0000\"}\n{\"name\":\"C\"}\n");
    let json = location(&acme.owner.send(json).await);
    let csv = "name,assignedTo,qualityScore\nA,\u{0}x,\nB,,\u{0}7\nC,,70\n";
    let csv = location(&import(&acme.owner, "", csv).await);

    for operation in [json, csv] {
        let end = wait_for_end(&acme.owner, &operation).await;

        assert_eq!(end["state"], "completed", "{end}");
        assert_eq!(
            end["result"],
            json!({ "successful": 1, "skipped": 0, "failed": 2 }),
            "{end}"
        );
        assert!(end["errors"].to_string().contains('\u{fffd}'), "{end}");
    }
}

#[tokio::test]
async fn a_number_comes_through_an_operation_as_it_came() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let numbers =
        "[0.1,8.988465674311579e299,2.2250738585072011e-308,123456.789012345678,5e-324,0.30000000000000004]";
    let file = format!("{{\"name\":\"A\",\"customFields\":{{\"n\":{numbers}}}}}\n");
    let request = acme
        .owner
        .request(Method::POST, "/api/v1/leads/import")
        .header("content-type", "application/x-ndjson")
        .header("prefer", "respond-async");

    let end = wait_for_end(&acme.owner, &location(&acme.owner.send(request.body(file)).await)).await;
    assert_eq!(end["result"]["successful"], 1, "{end}");

    let leads = acme.owner.get("/api/v1/leads").await.expect(200);
    let expected: Vec<f64> = numbers[1..numbers.len() - 1]
        .split(',')
        .map(|number| number.parse().unwrap())
        .collect();
    let lead = format!("/api/v1/leads/{}", leads["items"][0]["id"].as_str().unwrap());
    let lead = acme.owner.get(&lead).await.expect(200);
    assert_eq!(lead["customFields"]["n"], json!(expected));
}

#[tokio::test]
async fn an_upload_whose_parts_were_cleared_away_meanwhile_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let (sender, body) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = futures_util::stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    let first = format!("name,email,company\n{}", rows(0..1_500, ""));
    let sending = async {
        sender.send(Ok(first)).await.unwrap();
        wait_until("a part is kept", async || counted(&mut database).await.2 == 1).await;
        database.execute("DELETE FROM operation_inputs").await.unwrap();
        drop(sender);
    };

    let (refused, ()) = tokio::join!(import(&acme.owner, "", reqwest::Body::wrap_stream(body)), sending);

    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (409, "upload-expired")
    );
    wait_until("nothing is kept", async || {
        counted(&mut database).await == (0, 0, 0)
    })
    .await;
}

#[tokio::test]
async fn an_import_whose_begin_is_in_doubt_keeps_its_parts_and_is_found_by_its_key() {
    let mut app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let proxy = Proxy::start(&app.database.url(DatabaseRole::App), "app.current_tenant").await;
    let through = proxy.through(&app.database.url(DatabaseRole::App));
    app.restart_with(|config| config.database.url = Some(Secret::new(through)))
        .await;
    app.expect_server_errors();
    let file = "name\nAnn\n";

    // Its one part is kept at its end, and the commit of that is the first to be swallowed: so there it is known that
    // nothing was begun.
    let lock = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
                CREATE TRIGGER wait BEFORE INSERT ON operations FOR EACH ROW EXECUTE FUNCTION wait()";
    sqlx::raw_sql(lock).execute(&mut database).await.unwrap();
    let mut locked = app.database.connect(DatabaseRole::Superuser).await;
    locked.execute("SELECT pg_advisory_lock(7)").await.unwrap();
    let swallow = async {
        wait_until_held_up(&mut database, 1).await;
        proxy.swallow_commits();
        locked.execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    };
    let (doubtful, ()) = tokio::join!(import_with_key(&acme.owner, "k1", file), swallow);
    let direct = app.database.url(DatabaseRole::App);
    app.restart_with(|config| {
        config.database.url = Some(Secret::new(direct));
        config.jobs.imports.concurrency = 2;
    })
    .await;
    let again = import_with_key(&acme.owner, "k1", file).await;
    let end = wait_for_end(&acme.owner, &location(&again)).await;

    assert_eq!(doubtful.status, 503);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(end["state"], "completed");
    assert_eq!(counted(&mut database).await, (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_of_an_operation_finds_it_however_far_behind_the_replica_is() {
    let (pair, program) = TestPair::start().await;
    let program = program
        .with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "30000")
        .with("FAIRLEAD__DATABASE__MONITOR__INTERVAL_MS", "10")
        .with("FAIRLEAD__JOBS__IMPORTS__CONCURRENCY", "0");
    let (serving, other) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let operator = pair::operator(&program, &serving).await;
    for operator in [&operator, &operator.at(&other.url)] {
        wait_until("the replica is in the rotation", async || {
            let view = operator
                .get("/api/v1/performance/database/connection-pool")
                .await
                .expect(200);
            let mut nodes = view["nodes"].as_array().unwrap().iter();
            nodes.any(|node| node["name"] == "replica-1" && node["inRotation"] == true)
        })
        .await;
    }
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let elsewhere = acme.owner.at(&other.url);
    let read = async |path: &str, told: Option<&Response>| {
        let request = elsewhere.request(Method::GET, path);
        let token = told.map(|told| told.header("fairlead-consistency").expect("a write is named"));
        elsewhere
            .send(match token {
                Some(token) => request.header("fairlead-consistency", token),
                None => request,
            })
            .await
    };
    wait_until("the replica knows the tenant", async || {
        read("/api/v1/operations", None)
            .await
            .header("fairlead-read-source")
            == Some("replica-1")
    })
    .await;
    pair.on_replica("SELECT pg_wal_replay_pause()");

    let accepted = import(&acme.owner, "", "name\nAnn\n").await;
    let operation = location(&accepted);
    let unaware = read(&operation, None).await;
    let queued = read(&operation, Some(&accepted)).await;
    let cancelled = acme.owner.delete(&operation).await;
    let ended = read(&operation, Some(&cancelled)).await;
    pair.on_replica("SELECT pg_wal_replay_resume()");

    assert_eq!(unaware.status, 404, "the replica stood still");
    assert_eq!(queued.expect(200)["state"], "queued");
    assert_eq!(ended.expect(200)["state"], "cancelled");
}
