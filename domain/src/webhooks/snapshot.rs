use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Webhook;

/// A webhook as events and the audit trail show it. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSnapshot<'a> {
    id: Uuid,
    /// The scheme and the host of its URL: a path or a query is often a credential, and events go to other receivers,
    /// too.
    origin: &'a str,
    description: Option<&'a str>,
    events: Option<&'a [String]>,
    enabled: bool,
    disabled_reason: Option<&'static str>,
    #[serde(with = "time::serde::rfc3339::option")]
    old_secret_until: Option<OffsetDateTime>,
    version: i64,
}

impl<'a> From<&'a Webhook> for WebhookSnapshot<'a> {
    fn from(webhook: &'a Webhook) -> Self {
        Self {
            id: webhook.id.as_uuid(),
            origin: origin(&webhook.url),
            description: webhook.description.as_deref(),
            events: webhook.events.names(),
            enabled: webhook.state.is_enabled(),
            disabled_reason: webhook.state.disabled().map(|(reason, _)| reason.as_str()),
            old_secret_until: webhook.old_secret_until,
            version: webhook.version,
        }
    }
}

fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..host + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_url_is_shown_but_scheme_and_host() {
        for (url, expected) in [
            (
                "https://hooks.example.com/services/T0/B0/secret",
                "https://hooks.example.com",
            ),
            ("https://example.com:8443/?key=secret", "https://example.com:8443"),
            ("https://example.com?key=secret", "https://example.com"),
            ("https://example.com", "https://example.com"),
            ("no url", "no url"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }
}
