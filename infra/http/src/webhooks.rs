use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::clock::Clock;
use fairlead_domain::webhooks::{Answer, Message, RefusedUrl, SendFault, WebhookSender};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::GuardedClient;
use crate::retry_after::retry_in;

/// Sends webhooks by HTTP.
#[derive(Clone, Debug)]
pub struct HttpWebhookSender {
    client: GuardedClient,
    clock: Arc<dyn Clock>,
}

impl HttpWebhookSender {
    pub fn new(client: GuardedClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock }
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn check(&self, url: &str) -> Result<String, RefusedUrl> {
        self.client.guard.check(url).map(String::from)
    }

    #[tracing::instrument(level = "debug", name = "http.send_webhook", skip_all)]
    async fn send(&self, url: &str, message: &Message) -> Result<Answer, SendFault> {
        let head = self
            .client
            .post(url, headers(message), message.body.clone())
            .await?;
        let retry_after = head.headers.get(RETRY_AFTER);
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.and_then(|value| retry_in(value.to_str().ok()?, self.clock.now())),
        })
    }
}

fn headers(message: &Message) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).expect("ids and base64 are visible ASCII");
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(Message::MEDIA_TYPE)),
        (HeaderName::from_static("webhook-id"), value(&message.id)),
        (
            HeaderName::from_static("webhook-timestamp"),
            HeaderValue::from(message.timestamp),
        ),
        (
            HeaderName::from_static("webhook-signature"),
            value(&message.signature),
        ),
    ])
}
