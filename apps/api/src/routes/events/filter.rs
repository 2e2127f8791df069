use fairlead_domain::cache::{EVENT_TYPES, parse_event_type};
use fairlead_domain::events::{Aggregate, AggregateFilter, EventFilter};
use utoipa::IntoParams;
use utoipa::openapi::schema::ObjectBuilder;

use crate::query::QueryReader;
use crate::text;

/// What [`read`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
pub(super) struct EventFilterParameters {
    /// Events of this type; all, without it.
    #[param(schema_with = event_types, required = false)]
    r#type: Option<String>,
    /// Events about things of this kind.
    #[param(schema_with = aggregate_types, required = false)]
    aggregate_type: Option<String>,
    /// Events about this thing; together with `aggregateType`.
    #[param(nullable = false)]
    aggregate_id: Option<uuid::Uuid>,
}

/// Reads which events are wanted.
pub(super) fn read(query: &mut QueryReader) -> EventFilter {
    let event_type = query.parsed("type", parse_event_type);
    let aggregate = query.choice(
        "aggregateType",
        Aggregate::parse,
        Aggregate::ALL.map(Aggregate::as_str),
    );
    let id = query.uuid("aggregateId");
    if id.is_some() && aggregate.is_none() {
        query.fault("aggregateId", "must stand together with aggregateType");
    }
    EventFilter {
        types: event_type.map(str::to_owned).into_iter().collect(),
        aggregate: aggregate.map(|aggregate| AggregateFilter { aggregate, id }),
    }
}

fn event_types() -> ObjectBuilder {
    text::one_of(EVENT_TYPES.iter().copied()).description(Some("Events of this type; all, without it."))
}

fn aggregate_types() -> ObjectBuilder {
    text::one_of(Aggregate::ALL.map(Aggregate::as_str)).description(Some("Events about things of this kind."))
}
