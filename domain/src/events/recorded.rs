//! What a unit of work takes note of.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access::Actor;

/// The kinds of things events are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Tenant,
    User,
    Session,
    ApiKey,
    Lead,
    Activity,
    Carrier,
    Operation,
    Webhook,
    VoiceCommand,
    Payment,
    Subscription,
    LeadSubscription,
}

impl Aggregate {
    pub const ALL: [Self; 13] = [
        Self::Tenant,
        Self::User,
        Self::Session,
        Self::ApiKey,
        Self::Lead,
        Self::Activity,
        Self::Carrier,
        Self::Operation,
        Self::Webhook,
        Self::VoiceCommand,
        Self::Payment,
        Self::Subscription,
        Self::LeadSubscription,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Session => "session",
            Self::ApiKey => "api_key",
            Self::Lead => "lead",
            Self::Activity => "activity",
            Self::Carrier => "carrier",
            Self::Operation => "operation",
            Self::Webhook => "webhook",
            Self::VoiceCommand => "voice_command",
            Self::Payment => "payment",
            Self::Subscription => "subscription",
            Self::LeadSubscription => "lead_subscription",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregate| aggregate.as_str() == text)
    }
}

/// What brought a change about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Api,
    Import,
    Demo,
    System,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::Api, Self::Import, Self::Demo, Self::System];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Import => "import",
            Self::Demo => "demo",
            Self::System => "system",
        }
    }
}

/// One change, from which its event and its audit row are made.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// In the past tense, named after its aggregate: `lead_created`.
    pub event_type: &'static str,
    /// The version of the event's payload; fields are only ever added within one.
    pub version: u16,
    pub aggregate: Aggregate,
    pub aggregate_id: Uuid,
    pub actor: Actor,
    pub source: Source,
    /// The state before, as the event contract shows it; `None` when it came into being.
    pub before: Option<Value>,
    /// The state after; `None` when it is gone.
    pub after: Option<Value>,
}

impl Recorded {
    pub fn new(event_type: &'static str, aggregate: Aggregate, aggregate_id: Uuid, actor: Actor) -> Self {
        Self {
            event_type,
            version: 1,
            aggregate,
            aggregate_id,
            actor,
            source: Source::Api,
            before: None,
            after: None,
        }
    }

    #[must_use]
    pub fn before(mut self, state: &impl Serialize) -> Self {
        self.before = Some(snapshot(state));
        self
    }

    #[must_use]
    pub fn after(mut self, state: &impl Serialize) -> Self {
        self.after = Some(snapshot(state));
        self
    }

    #[must_use]
    pub fn by(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The event's payload as JSON: the state after (before, when it is gone) and, where there are both, which fields
    /// changed.
    pub fn data(&self) -> String {
        serde_json::to_string(&Payload(self)).expect("snapshots have string keys")
    }
}

/// Written as it stands: a copy of a state costs more than its text.
struct Payload<'r>(&'r Recorded);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (before, after) = (fields(self.0.before.as_ref()), fields(self.0.after.as_ref()));
        let mut data = serializer.serialize_map(None)?;
        for (field, value) in after.or(before).into_iter().flatten() {
            data.serialize_entry(field, value)?;
        }
        if let (Some(before), Some(after)) = (before, after) {
            let has_changed = |field: &&String| before.get(*field) != after.get(*field);
            data.serialize_entry("changed", &after.keys().filter(has_changed).collect::<Vec<_>>())?;
        }
        data.end()
    }
}

fn fields(state: Option<&Value>) -> Option<&Map<String, Value>> {
    state.and_then(Value::as_object)
}

fn snapshot(state: &impl Serialize) -> Value {
    serde_json::to_value(state).expect("snapshots are plain structs with string keys")
}
