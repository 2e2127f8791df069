use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::access::Actor;
use crate::events::{Aggregate, Recorded};

const LEAD: Uuid = Uuid::from_u128(1);
const ANN: Uuid = Uuid::from_u128(2);
const BOB: Uuid = Uuid::from_u128(3);

fn tags(recorded: &Recorded) -> Vec<Tag> {
    let mut tags = Vec::new();
    tags_of(recorded, &mut tags);
    tags
}

fn lead_updated(before: &serde_json::Value, after: &serde_json::Value) -> Recorded {
    Recorded::new("lead_updated", Aggregate::Lead, LEAD, Actor::System)
        .before(before)
        .after(after)
}

#[test]
fn every_event_that_is_recorded_anywhere_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut recorded = BTreeSet::new();
    for folder in ["domain/src", "apps", "infra"] {
        collect_events(&root.join(folder), &mut recorded);
    }

    let known: BTreeSet<String> = EVENT_TYPES.iter().map(|&event| event.to_owned()).collect();
    assert_eq!(recorded, known);
}

/// Finds the first argument of each `Recorded::new`.
fn collect_events(folder: &Path, events: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_events(&path, events);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("cache/tests.rs")
        {
            let source = fs::read_to_string(&path).unwrap();
            let calls = source.split("Recorded::new(").skip(1);
            let types = calls.map(|call| call.trim_start().split('"').nth(1).unwrap().to_owned());
            events.extend(types);
        }
    }
}

#[test]
fn an_event_nobody_thought_of_touches_the_whole_tenant() {
    let recorded = Recorded::new("lead_teleported", Aggregate::Lead, LEAD, Actor::System);

    assert_eq!(tags(&recorded), [Tag::Whole]);
}

#[test]
fn a_change_of_a_leads_name_leaves_statistics_and_agents_alone() {
    let recorded = lead_updated(
        &json!({"name": "a", "status": "NEW", "assignedTo": ANN}),
        &json!({"name": "b", "status": "NEW", "assignedTo": ANN}),
    );

    assert_eq!(tags(&recorded), [Tag::Leads, Tag::Lead(Id::from_uuid(LEAD))]);
}

#[test]
fn a_reassignment_touches_what_both_agents_hold_and_the_leads_activities() {
    let recorded = lead_updated(
        &json!({"status": "NEW", "assignedTo": ANN}),
        &json!({"status": "NEW", "assignedTo": BOB}),
    );

    let tags = tags(&recorded);

    for tag in [
        Tag::User(Id::from_uuid(ANN)),
        Tag::User(Id::from_uuid(BOB)),
        Tag::Users,
        Tag::Agents,
        Tag::Activities,
        Tag::LeadActivities(Id::from_uuid(LEAD)),
    ] {
        assert!(tags.contains(&tag), "{tag} is missing");
    }
    assert!(!tags.contains(&Tag::Statistics));
}

#[test]
fn a_move_touches_statistics_and_the_load_of_the_agent() {
    let recorded = lead_updated(
        &json!({"status": "NEW", "assignedTo": ANN}),
        &json!({"status": "CLOSED", "assignedTo": ANN}),
    );

    let tags = tags(&recorded);

    assert!(tags.contains(&Tag::Statistics));
    assert!(tags.contains(&Tag::Agents));
}

fn lead_created(state: &serde_json::Value) -> Recorded {
    Recorded::new("lead_created", Aggregate::Lead, LEAD, Actor::System).after(state)
}

/// Nothing is written of it but itself.
#[test]
fn a_new_lead_that_nobody_has_leaves_activities_and_agents_alone() {
    let recorded = lead_created(&json!({
        "status": "NEW", "assignedTo": null, "qualityScore": 0, "closeReason": null
    }));

    let of_lead = [Tag::Leads, Tag::Lead(Id::from_uuid(LEAD)), Tag::Statistics];
    assert_eq!(tags(&recorded), of_lead);
}

#[test]
fn a_new_lead_of_an_agent_touches_activities_and_what_the_agent_holds() {
    let tags = tags(&lead_created(&json!({"status": "NEW", "assignedTo": ANN})));

    for tag in [
        Tag::Statistics,
        Tag::Activities,
        Tag::LeadActivities(Id::from_uuid(LEAD)),
        Tag::User(Id::from_uuid(ANN)),
        Tag::Agents,
    ] {
        assert!(tags.contains(&tag), "{tag} is missing");
    }
}

#[test]
fn a_deleted_lead_takes_its_activities_with_it_whoever_had_it() {
    let recorded = Recorded::new("lead_deleted", Aggregate::Lead, LEAD, Actor::System)
        .before(&json!({"status": "NEW", "assignedTo": null}));

    let tags = tags(&recorded);

    assert!(tags.contains(&Tag::Activities) && tags.contains(&Tag::Statistics));
    assert!(tags.contains(&Tag::LeadActivities(Id::from_uuid(LEAD))));
}

#[test]
fn an_activity_touches_those_of_its_lead() {
    let recorded = Recorded::new("activity_deleted", Aggregate::Activity, ANN, Actor::System)
        .before(&json!({"leadId": LEAD}));

    assert_eq!(
        tags(&recorded),
        [Tag::Activities, Tag::LeadActivities(Id::from_uuid(LEAD))]
    );
}

#[test]
fn tags_and_keys_read_back_as_they_were_written() {
    for tag in [
        Tag::Whole,
        Tag::Leads,
        Tag::ApiKeys,
        Tag::Lead(Id::from_uuid(LEAD)),
        Tag::User(Id::from_uuid(ANN)),
    ] {
        assert_eq!(tag.to_string().parse(), Ok(tag));
    }
    assert_eq!("lead:x".parse::<Tag>(), Err(InvalidTag));
    for namespace in Namespace::ALL {
        assert_eq!(namespace.as_str().parse(), Ok(namespace));
        assert_eq!(Namespace::ALL[namespace.index()], namespace);
    }

    let key = CacheKey::new(Namespace::LeadList, "status=NEW&reach=all?");
    assert_eq!(CacheKey::parse(&key.to_string()), Some(key));
}
