use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::clock::Clock;
use fairlead_domain::webhooks::{Answer, Message, RefusedUrl, SendFault, WebhookSender};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::GuardedClient;

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

/// Reads `Retry-After`: seconds, or a moment (RFC 9110, section 10.2.3).
fn retry_in(text: &str, now: OffsetDateTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // However long it is, it is a time to wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let moment = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some((moment - now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let now = datetime!(2026-11-22 10:00:00 UTC);
        let seconds = |text| retry_in(text, now).map(|pause| pause.as_secs());

        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sun, 22 Nov 2026 10:02:00 GMT"), Some(120));
        assert_eq!(seconds("Sun, 22 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999999999999999"), Some(u64::MAX));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }
}
