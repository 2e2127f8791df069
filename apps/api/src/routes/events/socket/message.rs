//! What is said by a client, and what it is told: JSON, one object a message, whose `type` says what it is.

use fairlead_domain::events::{Aggregate, AggregateFilter, EventFilter};
use fairlead_domain::invalid::Faults;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::filter;
use crate::problem::{Kind, Problem, ProblemView};

/// Characters that are said of a message that cannot be read.
const MOST_DETAIL: usize = 300;
/// Types of events that one client may choose.
const MOST_TYPES: usize = 100;

/// Not to be printed: a token is a secret.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    Subscribe(SaidSubscribe),
    Unsubscribe {},
    /// The client goes on with another access token.
    Authenticate {
        token: String,
    },
    Ping {},
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SaidSubscribe {
    /// The types that are wanted; all, when there are none.
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    aggregate_type: Option<String>,
    #[serde(default)]
    aggregate_id: Option<Uuid>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    batch: bool,
}

/// What a client wants to be told, and how.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) wanted: EventFilter,
    /// Where it begins; now, unless given.
    pub(super) cursor: Option<String>,
    /// Whether events are gathered for a moment and told together.
    pub(super) batch: bool,
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    content = "data",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(super) enum Told {
    Subscribed {
        events: Vec<String>,
    },
    Unsubscribed {},
    Authenticated {},
    Pong {},
    /// How far the client is, when it was told nothing for long.
    Cursor {},
    Closing {
        reason: &'static str,
        retry_ms: u32,
    },
    Error(ProblemView),
}

pub(super) fn read(text: &str) -> Result<Said, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => Kind::InvalidInput,
            _ => Kind::MalformedJson,
        };
        // It may repeat what was sent.
        let detail: String = error.to_string().chars().take(MOST_DETAIL).collect();
        Problem::client(kind, detail)
    })
}

impl SaidSubscribe {
    pub(super) fn parse(self) -> Result<Subscription, Problem> {
        let mut faults = Faults::default();
        if self.events.len() > MOST_TYPES {
            faults.add("events", format!("must be {MOST_TYPES} at the most"));
        } else if let Some(fault) = self.events.iter().find_map(|name| filter::type_name(name).err()) {
            faults.add("events", format!("each {fault}"));
        }
        let aggregate = self.aggregate_type.as_deref().map(Aggregate::parse);
        if aggregate == Some(None) {
            let names = Aggregate::ALL.map(Aggregate::as_str).join(", ");
            faults.add("aggregateType", format!("must be one of {names}"));
        }
        if self.aggregate_id.is_some() && aggregate.is_none() {
            faults.add("aggregateId", "must stand together with aggregateType");
        }
        faults.finish().map_err(Problem::invalid)?;
        let id = self.aggregate_id;
        let aggregate = aggregate
            .flatten()
            .map(|aggregate| AggregateFilter { aggregate, id });
        let mut types = self.events;
        types.sort_unstable();
        types.dedup();
        Ok(Subscription {
            wanted: EventFilter { types, aggregate },
            cursor: self.cursor,
            batch: self.batch,
        })
    }
}
