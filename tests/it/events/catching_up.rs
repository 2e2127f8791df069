//! Clients that catch up read the log for themselves, and leave the database to others all the same.

use std::time::Duration;

use fairlead_telemetry::spawn;
use sqlx::{Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::consumers::one;
use super::stream::until_logged;
use super::stream_ends::write_much;
use super::stream_reader::StreamReader;

const CONNECTIONS: u32 = 8;
const CLIENTS: usize = 40;
/// Of those that serve requests; the relay and the live log read by other roles.
const READING: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'fairlead_app' AND wait_event_type = 'Lock'";

#[tokio::test]
async fn clients_of_one_tenant_that_catch_up_leave_the_database_to_others() {
    let app = TestApp::start_with(|config| {
        config.database.pool.max = CONNECTIONS;
        config.database.statement_timeout = Duration::from_mins(1);
    })
    .await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    globex.lead("Globe").await;
    let begin = acme.owner.get("/api/v1/events?limit=1").await.expect(200);
    let begin = begin["nextCursor"].as_str().unwrap().to_owned();
    acme.lead("Ann").await;
    until_logged(&acme, 1).await;
    // While one follows, the others join without a look at the log.
    let _first = StreamReader::open(&acme.owner, "", None).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut locking = app.database.connect(DatabaseRole::Superuser).await;
    let mut lock = locking.begin().await.unwrap();
    // As where the log is slow: each read of it takes as long as this does.
    lock.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();

    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (owner, query) = (acme.owner.clone(), format!("?type=lead_created&cursor={begin}"));
            spawn(async move {
                let mut stream = StreamReader::open(&owner, &query, None).await;
                stream.event().await["data"]["name"].clone()
            })
        })
        .collect();
    wait_until("some read the log", async || {
        one::<i64>(&mut superuser, READING).await >= 2
    })
    .await;
    for limit in 1..20 {
        globex
            .owner
            .get(&format!("/api/v1/leads?limit={limit}"))
            .await
            .expect(200);
    }
    let reading = one::<i64>(&mut superuser, READING).await;

    assert_eq!(reading, 2, "of a tenant");
    lock.rollback().await.unwrap();
    for client in clients {
        assert_eq!(client.await.unwrap(), "Ann");
    }
}

#[tokio::test]
async fn who_catches_up_is_shown_nothing_that_was_read_after_its_key_was_revoked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let machine = acme.machine(&["events:read"]).await;
    acme.lead("First").await;
    let cursor = until_logged(&acme, 1).await;
    write_much(&acme).await;
    let mut stream = StreamReader::open(&machine, &format!("?cursor={cursor}"), None).await;
    wait_until("nothing more goes out, since it reads nothing", async || {
        let all = operator
            .get("/api/v1/performance/websocket/connections")
            .await
            .expect(200);
        all["items"][0]["silentForSeconds"].as_f64().unwrap() > 4.0
    })
    .await;

    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = acme.owner.delete(&format!("/api/v1/tenant/api-keys/{id}")).await;
    assert_eq!(revoked.status, 204);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(
            "UPDATE events SET data = data || '{\"name\": \"read too late\"}' WHERE type = 'lead_created'",
        )
        .await
        .unwrap();
    let (mut last, mut shown) = (None, 0);
    while let Some(block) = stream.block().await {
        if let Some(event) = &block.data {
            assert_ne!(event["data"]["name"], "read too late");
            shown += 1;
        }
        last = block.comment;
    }

    assert_eq!(
        last.as_deref(),
        Some("the credential has expired, or was revoked")
    );
    assert!(shown > 0, "it was catching up");
}
