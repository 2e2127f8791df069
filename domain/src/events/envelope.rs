use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Event, EventCursor};
use crate::Id;

/// An event as everybody outside is shown it: CloudEvents 1.0 in JSON
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
///
/// What the standard has no attribute for is an extension, whose names have lower-case letters and digits alone:
/// `tenantid`, `aggregatetype`, `aggregateid`, `version` (of the data), `actor`, and `traceparent` by the extension for
/// distributed tracing.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'e>(pub &'e Event);

impl Envelope<'_> {
    /// The media type of one.
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";
    /// What `source` begins with; the rest is what brought the event about.
    pub(crate) const SOURCE: &'static str = "urn:fairlead:";

    /// As text.
    pub fn to_json(self) -> String {
        serde_json::to_string(&self).expect("an envelope has string keys, and its data is JSON already")
    }
}

/// What an envelope is read from.
#[derive(Deserialize)]
struct Opened {
    id: Uuid,
    source: String,
    r#type: String,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    tenantid: Uuid,
    aggregatetype: String,
    aggregateid: Uuid,
    version: i32,
    actor: String,
    traceparent: Option<String>,
    data: Box<RawValue>,
}

impl Event {
    /// Reads an envelope that one of our processes has written; `cursor` comes beside it.
    pub fn from_envelope(json: &[u8], cursor: EventCursor) -> Result<Self, serde_json::Error> {
        let opened: Opened = serde_json::from_slice(json)?;
        let source = opened.source.strip_prefix(Envelope::SOURCE);
        Ok(Self {
            cursor,
            tenant: Id::from_uuid(opened.tenantid),
            id: opened.id,
            event_type: opened.r#type,
            version: opened.version,
            aggregate_type: opened.aggregatetype,
            aggregate_id: opened.aggregateid,
            source: source.map(str::to_owned).unwrap_or(opened.source),
            actor: opened.actor,
            data: opened.data,
            trace_parent: opened.traceparent,
            occurred_at: opened.time,
        })
    }
}

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        let time = event
            .occurred_at
            .format(&Rfc3339)
            .map_err(serde::ser::Error::custom)?;
        let fields = 12 + usize::from(event.trace_parent.is_some());
        let mut json = serializer.serialize_struct("Event", fields)?;
        json.serialize_field("specversion", "1.0")?;
        json.serialize_field("id", &event.id)?;
        json.serialize_field("source", &format_args!("{}{}", Self::SOURCE, event.source))?;
        json.serialize_field("type", &event.event_type)?;
        json.serialize_field("time", &time)?;
        json.serialize_field("tenantid", &event.tenant.as_uuid())?;
        json.serialize_field("aggregatetype", &event.aggregate_type)?;
        json.serialize_field("aggregateid", &event.aggregate_id)?;
        json.serialize_field("version", &event.version)?;
        json.serialize_field("actor", &event.actor)?;
        if let Some(trace_parent) = &event.trace_parent {
            json.serialize_field("traceparent", trace_parent)?;
        }
        json.serialize_field("datacontenttype", "application/json")?;
        json.serialize_field("data", &event.data)?;
        json.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;

    fn event() -> Event {
        Event {
            cursor: EventCursor { xid: 7, position: 8 },
            tenant: Id::from_uuid(Uuid::from_u128(1)),
            id: Uuid::from_u128(2),
            event_type: "lead_created".to_owned(),
            version: 1,
            aggregate_type: "lead".to_owned(),
            aggregate_id: Uuid::from_u128(3),
            source: "api".to_owned(),
            actor: "system".to_owned(),
            data: RawValue::from_string(r#"{"name":"Ann"}"#.to_owned()).unwrap(),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            occurred_at: datetime!(2026-11-21 10:00:00.5 UTC),
        }
    }

    #[test]
    fn an_envelope_is_a_cloud_event() {
        let json: Value = serde_json::from_str(&Envelope(&event()).to_json()).unwrap();

        assert_eq!(
            json,
            json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000002",
                "source": "urn:fairlead:api",
                "type": "lead_created",
                "time": "2026-11-21T10:00:00.5Z",
                "tenantid": "00000000-0000-0000-0000-000000000001",
                "aggregatetype": "lead",
                "aggregateid": "00000000-0000-0000-0000-000000000003",
                "version": 1,
                "actor": "system",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "datacontenttype": "application/json",
                "data": {"name": "Ann"},
            })
        );
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let written = Envelope(&event()).to_json();

        let read = Event::from_envelope(written.as_bytes(), event().cursor).unwrap();

        assert_eq!(format!("{read:?}"), format!("{:?}", event()));
    }

    #[test]
    fn names_have_the_characters_that_the_standard_allows_and_no_cursor_is_shown() {
        let untraced = Event {
            trace_parent: None,
            ..event()
        };
        let json: Value = serde_json::from_str(&Envelope(&untraced).to_json()).unwrap();

        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), 12);
        for name in names {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
                "{name}"
            );
            assert!(
                name.len() <= 20 && !["xid", "position", "traceparent"].contains(&name.as_str()),
                "{name}"
            );
        }
    }
}
