use fairlead_domain::events::{Envelope, Event};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What the specification says of an [`EventView`]; a test holds both together.
#[derive(ToSchema)]
#[schema(as = Event, title = "Event", example = json!({
    "specversion": "1.0", "id": "01934f6e-7b1a-7cc3-98a4-0242ac120009", "source": "urn:fairlead:api",
    "type": "lead_created", "time": "2026-11-21T10:00:00Z", "tenantid": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
    "aggregatetype": "lead", "aggregateid": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "version": 1,
    "actor": "user:01934f6e-7b1a-7cc3-98a4-0242ac120003",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "datacontenttype": "application/json", "data": {"name": "Ann"},
}))]
#[expect(dead_code, reason = "documents the envelope")]
pub(super) struct EventSchema {
    /// The version of CloudEvents: `1.0`.
    specversion: String,
    /// The same however often the event is delivered.
    id: Uuid,
    /// What brought it about: `urn:fairlead:` and `api`, `import`, `demo` or `system`.
    source: String,
    /// What happened, in the past tense.
    r#type: String,
    #[schema(value_type = String, format = DateTime)]
    time: OffsetDateTime,
    tenantid: Uuid,
    /// The kind of thing it happened to.
    aggregatetype: String,
    /// The thing it happened to.
    aggregateid: Uuid,
    /// The version of `data`; within one, fields are only ever added.
    #[schema(minimum = 1)]
    version: i32,
    /// Who did: `user:<id>`, `api-key:<id>` or `system`.
    actor: String,
    /// The request that did, by W3C Trace Context; absent where there was none.
    #[schema(nullable = false)]
    traceparent: Option<String>,
    /// `application/json`.
    datacontenttype: String,
    /// The thing as it is after the event, or was before it was deleted; `changed` names the fields that changed.
    #[schema(value_type = Object)]
    data: (),
}

/// An event as it is shown.
#[derive(Debug)]
pub(super) struct EventView(pub(super) Event);

impl Serialize for EventView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Envelope(&self.0).serialize(serializer)
    }
}

/// A stretch of the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Events)]
pub(super) struct EventsView {
    /// The oldest first.
    #[schema(value_type = Vec<EventSchema>)]
    pub(super) items: Vec<EventView>,
    /// Pass it as `cursor` to go on from here, now or later: for as long as what is behind it is kept. Whoever always
    /// does meets every event once.
    pub(super) next_cursor: String,
    /// Whether there are more events already, or may be: also where `items` is empty.
    pub(super) has_more: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fairlead_domain::Id;
    use fairlead_domain::events::EventCursor;
    use serde_json::Value;
    use serde_json::value::RawValue;
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn the_schema_names_what_an_envelope_has() {
        let event = Event {
            cursor: EventCursor::START,
            tenant: Id::from_uuid(Uuid::nil()),
            id: Uuid::nil(),
            event_type: "lead_created".to_owned(),
            version: 1,
            aggregate_type: "lead".to_owned(),
            aggregate_id: Uuid::nil(),
            source: "api".to_owned(),
            actor: "system".to_owned(),
            data: RawValue::NULL.to_owned(),
            trace_parent: Some(String::new()),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
        };
        let names =
            |json: &Value| -> BTreeSet<String> { json.as_object().unwrap().keys().cloned().collect() };

        let shown = serde_json::to_value(EventView(event)).unwrap();
        let schema = serde_json::to_value(EventSchema::schema()).unwrap();

        assert_eq!(names(&shown), names(&schema["properties"]));
        let required = schema["required"].as_array().unwrap();
        assert_eq!(required.len() + 1, names(&shown).len(), "all but the trace");
    }
}
