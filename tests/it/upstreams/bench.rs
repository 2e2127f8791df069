//! What these tests have in common.

use fairlead::config::{AiProvider, Config, Secret};
use serde_json::{Value, json};
use sqlx::Row as _;
use support::database::DatabaseRole;
use support::provider::{KEY, MODEL, Provider};
use support::{Client, TestApp};

pub(super) const BREAKERS: &str = "/api/v1/performance/circuit-breakers";

/// Has a server call this provider.
pub(crate) fn calls(provider: &Provider) -> impl FnOnce(&mut Config) {
    let url = provider.openai();
    move |config| {
        config.ai.provider = Some(AiProvider::OpenAi);
        config.ai.url = Some(url);
        config.ai.model = Some(MODEL.to_owned());
        config.ai.api_key = Some(Secret::new(KEY));
    }
}

/// How the provider fares, as the server sees it.
pub(crate) async fn breaker(operator: &Client) -> Value {
    operator.get(BREAKERS).await.expect(200)["items"][0].clone()
}

/// The same of the service of this name.
pub(crate) async fn breaker_of(operator: &Client, name: &str) -> Value {
    let all = operator.get(BREAKERS).await.expect(200);
    let mut items = all["items"].as_array().unwrap().iter();
    items.find(|item| item["name"] == name).unwrap().clone()
}

/// Has a lead scored.
pub(super) async fn score(client: &Client, lead: &str) -> Value {
    let path = format!("/api/v1/leads/{lead}/score");
    client.post(&path, json!({})).await.expect(200)
}

/// What the ledger has of the calls: whether it is settled, and what it took.
pub(crate) async fn ledger(app: &TestApp) -> Vec<(bool, i64, i64, i64)> {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let calls = "SELECT settled, input_tokens, output_tokens, cost_micros FROM ai_calls ORDER BY called_at";
    let rows = sqlx::query(calls).fetch_all(&mut superuser).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}
