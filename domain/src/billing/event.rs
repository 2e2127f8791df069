use std::fmt::Debug;

use serde::Deserialize;
use time::OffsetDateTime;

use super::make::of_tenant;
use super::{BillingDirectory, sync};
use crate::store::{Store, StoreError};

/// What begins with one of these says something of a subscription or its payment. All else is none of ours.
const TYPES: [&str; 3] = ["customer.subscription.", "checkout.session.", "invoice."];
/// No id of the provider is longer.
const LONGEST_ID: usize = 255;

/// Knows what the payment provider has signed.
pub trait EventSignatures: Debug + Send + Sync {
    /// Says whether these bytes were signed by the provider, lately.
    fn verify(&self, header: &str, body: &[u8], now: OffsetDateTime) -> Result<(), UnsignedEvent>;
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsignedEvent {
    #[error("it has no signature of the form t=…,v1=…")]
    Malformed,
    #[error("it was signed too long ago, or by a clock that is ahead")]
    TooOld,
    #[error("it is not signed with the secret that is configured")]
    Wrong,
}

/// Something that the provider tells. Nothing of it is kept but that it was told: what has become of a subscription is
/// asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    pub id: String,
    pub event_type: String,
    /// Whom it is about, as the provider says; whose that is, we know.
    customer: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    data: WireData,
}

#[derive(Deserialize)]
struct WireData {
    object: WireObject,
}

#[derive(Deserialize)]
struct WireObject {
    #[serde(default)]
    customer: Option<Customer>,
}

/// An id, or an object with one, where the endpoint asks for that.
#[derive(Deserialize)]
#[serde(untagged)]
enum Customer {
    Id(String),
    Object { id: String },
}

impl ProviderEvent {
    /// Reads what was signed; `None`: it is no event.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let is_id = wire.id.starts_with("evt_") && is_word(&wire.id);
        (is_id && is_word(&wire.event_type.replace('.', "_"))).then_some(Self {
            id: wire.id,
            event_type: wire.event_type,
            customer: wire.data.object.customer.map(|customer| match customer {
                Customer::Id(id) | Customer::Object { id } => id,
            }),
        })
    }
}

fn is_word(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What was done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The subscription is asked for.
    Taken,
    /// It was there before.
    Known,
    /// It is about nothing, or nobody, of ours.
    Ignored,
}

/// Takes an event whose signature was verified: keeps its id, and has the subscription asked for, together.
pub async fn receive(
    directory: &dyn BillingDirectory,
    store: &dyn Store,
    event: &ProviderEvent,
) -> Result<Received, StoreError> {
    if !TYPES.iter().any(|prefix| event.event_type.starts_with(prefix)) {
        return Ok(Received::Ignored);
    }
    let Some(customer) = event.customer.as_deref().filter(|customer| is_word(customer)) else {
        return Ok(Received::Ignored);
    };
    // Whatever else the body says of a tenant is not looked at.
    let Some(tenant) = directory.tenant_of(customer).await? else {
        return Ok(Received::Ignored);
    };
    let mut uow = store.begin_behind(&of_tenant(tenant)).await?;
    if !uow.billing().keep_event(event).await? {
        return Ok(Received::Known);
    }
    // First, because it waits for whoever keeps a subscription: the job is not left out for one that is about to end.
    uow.billing().want_sync().await?;
    uow.jobs().enqueue(sync::job()).await?;
    uow.commit().await?;
    Ok(Received::Taken)
}
