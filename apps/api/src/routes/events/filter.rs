use fairlead_domain::events::{Aggregate, AggregateFilter, EventFilter};
use utoipa::IntoParams;

use crate::query::QueryReader;

/// What [`read`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
pub(super) struct EventFilterParameters {
    /// Events of this type, such as `lead_created`.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9_]+$", nullable = false)]
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
    let event_type = query.parsed("type", type_name);
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
        types: event_type.into_iter().collect(),
        aggregate: aggregate.map(|aggregate| AggregateFilter { aggregate, id }),
    }
}

/// Reads the name of a type of events.
pub(super) fn type_name(text: &str) -> Result<String, &'static str> {
    let is_fine = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_fine {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a type of events, such as lead_created")
    }
}
