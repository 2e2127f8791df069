//! Clients that catch up read the log for themselves, and see no more of it than they may.

use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::stream::until_logged;
use super::stream_ends::write_much;
use super::stream_reader::StreamReader;

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
