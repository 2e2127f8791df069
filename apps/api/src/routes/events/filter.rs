use fairlead_domain::cache::{EVENT_TYPES, parse_event_type};
use fairlead_domain::events::{Aggregate, AggregateFilter, EventFilter};
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use crate::query::QueryReader;

/// What [`read`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
pub(super) struct EventFilterParameters {
    /// Events of this type; all, without it.
    #[param(schema_with = event_types, required = false)]
    r#type: Option<String>,
    /// Events about things of this kind.
    #[param(nullable = false, inline)]
    aggregate_type: Option<AggregateTypeName>,
    /// Events about this thing; together with `aggregateType`.
    #[param(nullable = false)]
    aggregate_id: Option<uuid::Uuid>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what `Aggregate` is read from")]
enum AggregateTypeName {
    Tenant,
    User,
    Session,
    ApiKey,
    Lead,
    Activity,
    Carrier,
    Webhook,
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
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(EVENT_TYPES.iter().copied()))
        .description(Some("Events of this type; all, without it."))
}
