use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::clock::Clock;
use fairlead_domain::webhooks::{Answer, Message, Place, RefusedUrl, SendFault, WebhookId, WebhookSender};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::GuardedClient;
use crate::places::Places;
use crate::retry_after::retry_in;

/// Sends webhooks by HTTP.
#[derive(Clone, Debug)]
pub struct HttpWebhookSender {
    client: GuardedClient,
    clock: Arc<dyn Clock>,
    places: Arc<Places>,
}

impl HttpWebhookSender {
    /// `places` is how many calls of one webhook are under way at once; where its receiver fails, others may be beside
    /// them.
    pub fn new(client: GuardedClient, clock: Arc<dyn Clock>, places: usize) -> Self {
        Self {
            client,
            clock,
            places: Arc::new(Places::new(places)),
        }
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn check(&self, url: &str) -> Result<String, RefusedUrl> {
        self.client.guard.check(url).map(String::from)
    }

    async fn place(&self, of: WebhookId) -> Option<Box<dyn Place>> {
        self.places.take(of).await
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
