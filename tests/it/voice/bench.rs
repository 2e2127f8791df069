//! What these tests have in common.

use serde_json::{Value, json};
use sqlx::Row as _;
use support::database::DatabaseRole;
use support::{Client, Response, TestApp};

pub(super) const COMMANDS: &str = "/api/v1/voice/commands";

/// Says something.
pub(super) async fn tell(client: &Client, said: &str) -> Response {
    client.post(COMMANDS, json!({ "transcript": said })).await
}

/// Says something that is understood, and tells what is answered.
pub(super) async fn say(client: &Client, said: &str) -> Value {
    tell(client, said).await.expect(200)
}

/// Says that what is asked about is to be done.
pub(super) async fn confirm(client: &Client, answer: &Value, choice: usize) -> Response {
    let token = &answer["confirmation"]["choices"][choice]["token"];
    assert!(token.is_string(), "{answer}");
    client.post(COMMANDS, json!({ "confirmation": token })).await
}

/// What the audit log has of commands: their types, how they fared, and whether rules understood them.
pub(super) async fn audited(app: &TestApp) -> Vec<String> {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let rows = sqlx::query(
        "SELECT after ->> 'commandType', after ->> 'status', after ->> 'degraded'
         FROM audit_log WHERE action = 'voice_command_handled' ORDER BY id",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let told = |row: &sqlx::postgres::PgRow| {
        let degraded = if row.get::<&str, _>(2) == "true" {
            " by rules"
        } else {
            ""
        };
        format!("{} {}{degraded}", row.get::<&str, _>(0), row.get::<&str, _>(1))
    };
    rows.iter().map(told).collect()
}
