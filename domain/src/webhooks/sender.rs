use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{Message, WebhookId};

/// Calls the receivers of webhooks, and none that must not be reached from here.
#[async_trait]
pub trait WebhookSender: Debug + Send + Sync {
    /// Brings a URL into its normal form. What a name resolves to is looked at by each call.
    fn check(&self, url: &str) -> Result<String, RefusedUrl>;

    /// Takes one of the places that the calls of a webhook have in this process, until the result is dropped. `None`: they
    /// are taken by calls that last.
    async fn place(&self, of: WebhookId) -> Option<Box<dyn Place>>;

    /// Posts a message, and waits for the answer; both in bounded time.
    async fn send(&self, url: &str, message: &Message) -> Result<Answer, SendFault>;
}

/// A place for one call.
pub trait Place: Debug + Send {}

/// What a receiver has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the receiver has taken what was sent.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Why it is a failure, in words for the tenant.
    pub fn fault(self) -> Option<String> {
        let Self { status, .. } = self;
        match status {
            200..300 => None,
            300..400 => Some(format!(
                "the receiver answered {status}, a redirect, and those are not followed: give the URL that it leads to"
            )),
            410 => Some("the receiver answered 410: it wants nothing any more".to_owned()),
            _ => Some(format!("the receiver answered {status}")),
        }
    }
}

/// Why a URL cannot be that of a webhook, in words for the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    #[error("must be a URL such as https://example.com/webhooks")]
    NotAUrl,
    #[error("must begin with https://")]
    NotHttps,
    #[error("must have at most {0} characters")]
    TooLong(usize),
    #[error("must not hold a user name or a password")]
    HasCredentials,
    #[error("must not name a private, local or reserved address")]
    NotPublic,
}

/// Why there is no answer, in words for the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    #[error("the URL {0}")]
    Url(#[from] RefusedUrl),
    /// There is no such name, or its servers do not answer, or it leads to nothing that may be called. Which of these is
    /// not told: whoever could tell them apart would learn names that we alone know.
    #[error("the receiver's name leads to no public address")]
    NoAddress,
    /// No name can be.
    #[error("names cannot be looked up at present, which is no fault of the receiver's")]
    Lookup,
    #[error("no connection to the receiver")]
    NoConnection,
    #[error("the receiver's certificate is not trusted, or it speaks no TLS")]
    Tls,
    #[error("the receiver took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("the receiver broke the connection off, or speaks no HTTP")]
    Broken,
}

impl SendFault {
    /// Whether it says nothing about the receiver: the trouble is our own.
    pub fn is_ours(self) -> bool {
        self == Self::Lookup
    }

    /// Whether it was never asked for: nothing is told of how long it took, either, which differs between names that
    /// there are and others.
    pub(super) fn is_of_name(self) -> bool {
        matches!(self, Self::NoAddress | Self::Lookup)
    }
}
