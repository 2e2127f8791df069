use serde_json::Value;
use uuid::Uuid;

use super::Tag;
use crate::Id;
use crate::events::{Aggregate, Event, Recorded};

/// Every event type that [`tags_of`] knows. A test reads the sources and fails for an event that is not here.
pub const EVENT_TYPES: &[&str] = &[
    "tenant_created",
    "tenant_updated",
    "lead_counters_repaired",
    "user_created",
    "user_invited",
    "user_updated",
    "user_password_reset",
    "agent_load_repaired",
    "session_started",
    "session_ended",
    "api_key_created",
    "api_key_revoked",
    "lead_created",
    "lead_updated",
    "lead_deleted",
    "lead_scored",
    "activity_created",
    "activity_updated",
    "activity_deleted",
    "carrier_created",
    "carrier_updated",
    "carrier_deleted",
    "operation_queued",
    "operation_started",
    "operation_cancel_requested",
    "operation_ended",
    "webhook_created",
    "webhook_updated",
    "webhook_deleted",
    "webhook_disabled",
    "webhook_secret_rotated",
    "webhook_pinged",
    "webhook_replay_started",
    "voice_command_handled",
    "payment_requested",
    "payment_settled",
    "subscription_updated",
    "lead_subscription_requested",
    "lead_subscribed",
    "lead_subscription_failed",
];

/// Reads the name of a type of events. One that is recorded no more stays known while logs may hold it.
pub fn parse_event_type(text: &str) -> Result<&'static str, UnknownEventType> {
    let known = EVENT_TYPES.iter().find(|known| **known == text);
    // What came in is not repeated at any length.
    known.copied().ok_or_else(|| UnknownEventType {
        name: text.chars().take(64).collect(),
    })
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no type of events; there are {}", EVENT_TYPES.join(", "))]
pub struct UnknownEventType {
    name: String,
}

/// Adds the tags of what a change touched. An event that is not in the table touches the whole tenant.
pub fn tags_of(recorded: &Recorded, tags: &mut Vec<Tag>) {
    add(&Change::Recorded(recorded), tags);
}

/// The same, of an event in the log. That tells less of what was before, so more may be taken to be touched.
pub fn tags_of_event(event: &Event, tags: &mut Vec<Tag>) {
    match serde_json::from_str(event.data.get()) {
        Ok(data @ Value::Object(_)) => add(&Change::Logged { event, data }, tags),
        _ => tags.push(Tag::Whole),
    }
}

fn add(change: &Change<'_>, tags: &mut Vec<Tag>) {
    let known = change
        .aggregate()
        .filter(|_| EVENT_TYPES.contains(&change.event_type()));
    match known {
        None => tags.push(Tag::Whole),
        // Its counters are repaired in its name.
        Some(Aggregate::Tenant) => tags.extend([Tag::Tenant, Tag::Statistics]),
        Some(Aggregate::User) => tags.extend([Tag::Users, Tag::User(change.id()), Tag::Agents]),
        // Nothing that is cached tells of these.
        Some(
            Aggregate::Session
            | Aggregate::Operation
            | Aggregate::Webhook
            | Aggregate::VoiceCommand
            | Aggregate::Payment
            | Aggregate::Subscription
            | Aggregate::LeadSubscription,
        ) => {}
        Some(Aggregate::ApiKey) => tags.push(Tag::ApiKeys),
        Some(Aggregate::Lead) => of_lead(change, tags),
        Some(Aggregate::Activity) => of_activity(change, tags),
        Some(Aggregate::Carrier) => tags.extend([Tag::Carriers, Tag::Carrier(change.id())]),
    }
}

fn of_lead(change: &Change<'_>, tags: &mut Vec<Tag>) {
    let lead = change.id();
    tags.extend([Tag::Leads, Tag::Lead(lead)]);

    let moved = change.touches("status");
    let reassigned = change.touches("assignedTo");
    if moved {
        tags.push(Tag::Statistics);
    }
    let is_told_in_activities = match change.event_type() {
        // Of what comes with a new lead, its assignment alone is also written as an activity.
        "lead_created" => reassigned,
        // It takes its activities with it.
        "lead_deleted" | "lead_scored" => true,
        _ => moved || reassigned || change.touches("closeReason") || change.touches("qualityScore"),
    };
    if is_told_in_activities {
        tags.extend([Tag::Activities, Tag::LeadActivities(lead)]);
    }
    // What an agent holds stands in its profile.
    if moved || reassigned {
        let before = tags.len();
        match change.ids("assignedTo") {
            Some(agents) => tags.extend(agents.into_iter().map(|agent| Tag::User(Id::from_uuid(agent)))),
            None => tags.push(Tag::Whole),
        }
        if tags.len() > before {
            tags.extend([Tag::Users, Tag::Agents]);
        }
    }
}

fn of_activity(change: &Change<'_>, tags: &mut Vec<Tag>) {
    tags.push(Tag::Activities);
    match change.id_in_state("leadId") {
        Some(lead) => tags.push(Tag::LeadActivities(Id::from_uuid(lead))),
        // Whose activity it was is not told: nothing of the tenant can be trusted.
        None => tags.push(Tag::Whole),
    }
}

/// A change, by whoever tells of it.
enum Change<'a> {
    /// The transaction that makes it.
    Recorded(&'a Recorded),
    /// The log. `data` is as [`Recorded::data`] makes it.
    Logged { event: &'a Event, data: Value },
}

impl Change<'_> {
    fn event_type(&self) -> &str {
        match self {
            Self::Recorded(recorded) => recorded.event_type,
            Self::Logged { event, .. } => &event.event_type,
        }
    }

    fn aggregate(&self) -> Option<Aggregate> {
        match self {
            Self::Recorded(recorded) => Some(recorded.aggregate),
            Self::Logged { event, .. } => Aggregate::parse(&event.aggregate_type),
        }
    }

    fn id<T>(&self) -> Id<T> {
        Id::from_uuid(match self {
            Self::Recorded(recorded) => recorded.aggregate_id,
            Self::Logged { event, .. } => event.aggregate_id,
        })
    }

    /// Whether a field has changed, or had a value when it came or went with the whole.
    fn touches(&self, field: &str) -> bool {
        match self {
            Self::Recorded(Recorded {
                before: Some(before),
                after: Some(after),
                ..
            }) => before.get(field) != after.get(field),
            Self::Recorded(recorded) => {
                let state = recorded.after.as_ref().or(recorded.before.as_ref());
                state.is_none_or(|state| has_value(state, field))
            }
            Self::Logged { data, .. } => match data.get("changed").and_then(Value::as_array) {
                Some(changed) => changed.iter().any(|name| name == field),
                None => has_value(data, field),
            },
        }
    }

    /// The ids that stood in a field before and stand there now; `None` when those from before are not told.
    fn ids(&self, field: &str) -> Option<Vec<Uuid>> {
        match self {
            Self::Recorded(recorded) => {
                let states = [&recorded.before, &recorded.after].into_iter().flatten();
                Some(states.filter_map(|state| id_in(state, field)).collect())
            }
            Self::Logged { data, .. } if data.get("changed").is_some() && self.touches(field) => None,
            Self::Logged { data, .. } => Some(id_in(data, field).into_iter().collect()),
        }
    }

    fn id_in_state(&self, field: &str) -> Option<Uuid> {
        match self {
            Self::Recorded(recorded) => id_in(recorded.after.as_ref().or(recorded.before.as_ref())?, field),
            Self::Logged { data, .. } => id_in(data, field),
        }
    }
}

/// Whether a field has a value, or nobody has told of it.
fn has_value(state: &Value, field: &str) -> bool {
    state.get(field).is_none_or(|value| !value.is_null())
}

fn id_in(state: &Value, field: &str) -> Option<Uuid> {
    state.get(field)?.as_str()?.parse().ok()
}
