//! What Stripe answers, of which no more is read than is needed. What does not fit is no answer.

use fairlead_domain::billing::{CheckoutSession, ProviderSubscription, SessionState, SubscriptionStatus};
use serde::Deserialize;
use time::OffsetDateTime;

/// No id of Stripe's is longer.
const LONGEST_ID: usize = 255;
const LONGEST_URL: usize = 4_000;

/// An object of which the id is all that matters.
#[derive(Deserialize)]
pub(super) struct Named {
    id: String,
}

impl Named {
    pub(super) fn id_beginning_with(self, prefix: &str) -> Option<String> {
        is_id(&self.id, prefix).then_some(self.id)
    }
}

fn is_id(id: &str, prefix: &str) -> bool {
    id.starts_with(prefix)
        && id.len() <= LONGEST_ID
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[derive(Deserialize)]
pub(super) struct Session {
    id: String,
    customer: Option<String>,
    url: Option<String>,
    status: Option<String>,
    expires_at: i64,
}

impl Session {
    pub(super) fn state(&self) -> Option<SessionState> {
        match self.status.as_deref()? {
            "open" => Some(SessionState::Open),
            "complete" => Some(SessionState::Paid),
            "expired" => Some(SessionState::Expired),
            _ => None,
        }
    }

    /// The page, if it is one of this customer.
    pub(super) fn page(self, customer: &str) -> Option<CheckoutSession> {
        let url = self.url?;
        let is_url = url.starts_with("https://")
            && url.len() <= LONGEST_URL
            && url.bytes().all(|byte| byte.is_ascii_graphic());
        let is_ours = self.customer.as_deref() == Some(customer);
        (is_url && is_ours && is_id(&self.id, "cs_")).then_some(CheckoutSession {
            id: self.id,
            url,
            expires_at: OffsetDateTime::from_unix_timestamp(self.expires_at).ok()?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Price {
    pub(super) id: String,
    pub(super) active: bool,
    /// `None`: it is paid once.
    pub(super) recurring: Option<Recurring>,
}

#[derive(Deserialize)]
pub(super) struct Recurring {}

#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) customer: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    #[serde(flatten)]
    pub(super) named: Named,
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Subscriptions {
    pub(super) data: Vec<Subscription>,
}

#[derive(Deserialize)]
pub(super) struct Subscription {
    id: String,
    customer: String,
    status: String,
    cancel_at_period_end: bool,
    created: i64,
    items: Items,
}

#[derive(Deserialize)]
struct Items {
    data: Vec<Item>,
}

/// Since 2025-03-31 each item has a period of its own.
#[derive(Deserialize)]
struct Item {
    price: Named,
    current_period_end: i64,
}

impl Subscription {
    /// What it says, if it is one of this customer.
    pub(super) fn read(self, customer: &str) -> Option<ProviderSubscription> {
        if self.customer != customer || !is_id(&self.id, "sub_") {
            return None;
        }
        let end = self.items.data.iter().map(|item| item.current_period_end).min();
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        Some(ProviderSubscription {
            id: self.id,
            status: SubscriptionStatus::parse(&self.status.to_ascii_uppercase())?,
            prices: self.items.data.into_iter().map(|item| item.price.id).collect(),
            current_period_end: end.and_then(at),
            cancel_at_period_end: self.cancel_at_period_end,
            created_at: at(self.created)?,
        })
    }
}

/// What somebody has used, as it was taken.
#[derive(Deserialize)]
pub(super) struct MeterEvent {
    pub(super) identifier: String,
}

#[derive(Deserialize)]
struct Errors {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    param: Option<String>,
    #[serde(default)]
    message: String,
}

fn error(refusal: &[u8]) -> Option<Error> {
    let errors: Errors = serde_json::from_slice(refusal).ok()?;
    Some(errors.error)
}

/// Whether a refusal says that there is no such customer.
pub(super) fn is_missing_customer(refusal: &[u8]) -> bool {
    error(refusal).is_some_and(|error| {
        error.code.as_deref() == Some("resource_missing") && error.param.as_deref() == Some("customer")
    })
}

/// Whether a refusal says that an event of this identifier was taken before. It has no code of its own.
pub(super) fn is_known_event(refusal: &[u8], identifier: &str) -> bool {
    error(refusal).is_some_and(|error| {
        let known = format!("An event already exists with identifier {identifier}");
        error.kind == "invalid_request_error" && error.message.starts_with(&known)
    })
}

/// What a refusal says, by its fixed words alone: its message may repeat what was sent.
pub(super) fn told(refusal: &[u8]) -> Option<String> {
    let error = error(refusal)?;
    let words = [Some(error.kind), error.code, error.param];
    let is_word = |word: &String| {
        word.len() <= 100
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_[]".contains(&byte))
    };
    let words: Vec<String> = words.into_iter().flatten().filter(is_word).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
