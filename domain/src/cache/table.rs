use serde_json::Value;
use uuid::Uuid;

use super::Tag;
use crate::Id;
use crate::events::{Aggregate, Recorded};

/// Every event type that [`tags_of`] knows. A test reads the sources and fails for an event that is not here.
pub const EVENT_TYPES: &[&str] = &[
    "tenant_created",
    "tenant_updated",
    "lead_counters_repaired",
    "user_created",
    "user_invited",
    "user_updated",
    "user_password_reset",
    "session_started",
    "session_ended",
    "api_key_created",
    "api_key_revoked",
    "lead_created",
    "lead_updated",
    "lead_deleted",
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
];

/// Adds the tags of what a change touched. An event that is not in the table touches the whole tenant.
pub fn tags_of(recorded: &Recorded, tags: &mut Vec<Tag>) {
    if !EVENT_TYPES.contains(&recorded.event_type) {
        tags.push(Tag::Whole);
        return;
    }
    match recorded.aggregate {
        // Its counters are repaired in its name.
        Aggregate::Tenant => tags.extend([Tag::Tenant, Tag::Statistics]),
        Aggregate::User => of_user(recorded, tags),
        // Nothing that is cached tells of these.
        Aggregate::Session | Aggregate::Operation | Aggregate::Webhook => {}
        Aggregate::ApiKey => tags.push(Tag::ApiKeys),
        Aggregate::Lead => of_lead(recorded, tags),
        Aggregate::Activity => of_activity(recorded, tags),
        Aggregate::Carrier => {
            tags.extend([Tag::Carriers, Tag::Carrier(Id::from_uuid(recorded.aggregate_id))]);
        }
    }
}

fn of_user(recorded: &Recorded, tags: &mut Vec<Tag>) {
    let user = Id::from_uuid(recorded.aggregate_id);
    tags.extend([Tag::Users, Tag::User(user), Tag::Agents]);
}

fn of_lead(recorded: &Recorded, tags: &mut Vec<Tag>) {
    let lead = Id::from_uuid(recorded.aggregate_id);
    tags.extend([Tag::Leads, Tag::Lead(lead)]);

    let is_update = recorded.before.is_some() && recorded.after.is_some();
    let moved = !is_update || changed(recorded, "status");
    let reassigned = !is_update || changed(recorded, "assignedTo");
    if moved {
        tags.push(Tag::Statistics);
    }
    // Each of these is also written as an activity; a lead takes its activities with it.
    let tells = ["closeReason", "qualityScore"];
    if moved || reassigned || tells.iter().any(|field| changed(recorded, field)) {
        tags.extend([Tag::Activities, Tag::LeadActivities(lead)]);
    }
    // What an agent holds stands in its profile.
    if moved || reassigned {
        let agents = [&recorded.before, &recorded.after]
            .into_iter()
            .filter_map(|state| id_in(state.as_ref(), "assignedTo"));
        let before = tags.len();
        tags.extend(agents.map(|agent| Tag::User(Id::from_uuid(agent))));
        if tags.len() > before {
            tags.extend([Tag::Users, Tag::Agents]);
        }
    }
}

fn of_activity(recorded: &Recorded, tags: &mut Vec<Tag>) {
    tags.push(Tag::Activities);
    let state = recorded.after.as_ref().or(recorded.before.as_ref());
    match id_in(state, "leadId") {
        Some(lead) => tags.push(Tag::LeadActivities(Id::from_uuid(lead))),
        // Whose activity it was is not told: nothing of the tenant can be trusted.
        None => tags.push(Tag::Whole),
    }
}

fn changed(recorded: &Recorded, field: &str) -> bool {
    let value = |state: &Option<Value>| state.as_ref().and_then(|state| state.get(field)).cloned();
    value(&recorded.before) != value(&recorded.after)
}

fn id_in(state: Option<&Value>, field: &str) -> Option<Uuid> {
    state?.get(field)?.as_str()?.parse().ok()
}
