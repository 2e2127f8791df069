//! Kit, formerly `ConvertKit`, by the fourth version of its API: <https://developers.kit.com/v4>.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::marketing::{MailingFault, MailingList, NewSubscriber};
use fairlead_domain::upstreams::UpstreamFault;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Upstream;
use crate::upstream::{Call, Repeat};

/// An account of Kit.
#[derive(Clone, Debug)]
pub struct KitMailingList {
    upstream: Arc<Upstream>,
}

#[derive(Deserialize)]
struct Account {
    account: Named,
}

#[derive(Deserialize)]
struct Tagged {
    tag: Numbered,
}

#[derive(Deserialize)]
struct Subscribed {
    subscriber: Numbered,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

impl KitMailingList {
    pub fn new(upstream: Arc<Upstream>) -> Self {
        Self { upstream }
    }

    /// Asks whose account it is: <https://developers.kit.com/api-reference/accounts/get-current-account>.
    pub async fn account(&self) -> Result<String, UpstreamFault> {
        let call = Call {
            path: "/v4/account".to_owned(),
            repeat: Repeat::Always,
            ..Call::default()
        };
        let Account { account } = self.upstream.call(&call).await?;
        Ok(account.name)
    }

    async fn post<T: DeserializeOwned>(&self, path: String, body: &Value) -> Result<T, MailingFault> {
        let call = Call {
            method: Method::POST,
            path,
            body: Some(body.to_string().into()),
            // Nothing of it is ever done twice: what is there already is answered.
            repeat: Repeat::Always,
            ..Call::default()
        };
        self.upstream
            .call_for_more(&call)
            .await
            .map_err(|failed| MailingFault {
                fault: failed.fault,
                after: failed.retry_after,
            })
    }
}

#[async_trait]
impl MailingList for KitMailingList {
    fn closed_for(&self) -> Option<Duration> {
        self.upstream.closed_for()
    }

    /// <https://developers.kit.com/api-reference/subscribers/create-a-subscriber>: who is there by the same address stays,
    /// also who has unsubscribed. Then <https://developers.kit.com/api-reference/tags/create-a-tag>, which answers with the
    /// tag of this name that is there, and <https://developers.kit.com/api-reference/tags/tag-a-subscriber>.
    #[tracing::instrument(level = "debug", name = "http.kit.subscribe", skip_all)]
    async fn subscribe(&self, subscriber: &NewSubscriber<'_>) -> Result<(), MailingFault> {
        let body = json!({
            "first_name": first_name(subscriber.name), "email_address": subscriber.email, "state": "active",
        });
        let Subscribed { subscriber: made } = self.post("/v4/subscribers".to_owned(), &body).await?;
        for tag in subscriber.tags {
            let Tagged { tag } = self.post("/v4/tags".to_owned(), &json!({ "name": tag })).await?;
            let path = format!("/v4/tags/{}/subscribers/{}", tag.id, made.id);
            let Subscribed { subscriber: tagged } = self.post(path, &json!({})).await?;
            if tagged.id != made.id {
                return Err(MailingFault {
                    fault: UpstreamFault::Malformed,
                    after: None,
                });
            }
        }
        Ok(())
    }
}

/// How somebody is addressed.
fn first_name(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or_default()
}
