//! What these tests have in common.

use fairlead::config::{AiProvider, Config, Secret};
use serde_json::{Value, json};
use support::Client;
use support::provider::{KEY, MODEL, Provider};

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
pub(super) async fn breaker(operator: &Client) -> Value {
    operator.get(BREAKERS).await.expect(200)["items"][0].clone()
}

/// Has a lead scored.
pub(super) async fn score(client: &Client, lead: &str) -> Value {
    let path = format!("/api/v1/leads/{lead}/score");
    client.post(&path, json!({})).await.expect(200)
}
