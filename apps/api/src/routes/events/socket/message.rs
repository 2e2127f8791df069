//! What is said by a client, and what it is told: JSON, one object a message, whose `type` says what it is.

use fairlead_domain::cache::parse_event_type;
use fairlead_domain::events::{Aggregate, AggregateFilter, EventFilter};
use fairlead_domain::invalid::{Faults, Invalid};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::{Problem, ProblemView};
use crate::{json, query};

/// Types of events that one client may choose.
const MOST_TYPES: usize = 100;

/// What a client may say, by the `type` of its message.
const TYPES: &str = "subscribe, unsubscribe, authenticate, ping";

/// Not to be printed: a token is a secret.
pub(super) enum Said {
    Subscribe(SaidSubscribe),
    Unsubscribe,
    /// The client goes on with another access token.
    Authenticate {
        token: String,
    },
    Ping,
}

impl Said {
    /// Whether it may cost what a request does: reading the log from a cursor on, or looking at a token.
    pub(super) fn asks_the_database(&self) -> bool {
        matches!(self, Self::Subscribe(_) | Self::Authenticate { .. })
    }
}

/// What every message has. The rest is read once it is known what it is.
#[derive(Deserialize)]
struct Head {
    r#type: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SaidSubscribe {
    #[expect(dead_code, reason = "was read before")]
    r#type: IgnoredAny,
    /// The types that are wanted; all, when there are none.
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    aggregate_type: Option<String>,
    #[serde(default)]
    aggregate_id: Option<String>,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    batch: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidAuthenticate {
    #[expect(dead_code, reason = "was read before")]
    r#type: IgnoredAny,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidNoMore {
    #[expect(dead_code, reason = "was read before")]
    r#type: IgnoredAny,
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

/// Reads a message, with the same faults as a body has.
pub(super) fn read(text: &str, max_depth: usize) -> Result<Said, Problem> {
    let text = text.as_bytes();
    let Head { r#type } = json::parse_object(text, max_depth)?;
    let said = match r#type.as_ref().and_then(Value::as_str) {
        Some("subscribe") => Said::Subscribe(json::parse_object(text, max_depth)?),
        Some("authenticate") => {
            let SaidAuthenticate { token, .. } = json::parse_object(text, max_depth)?;
            Said::Authenticate { token }
        }
        Some("unsubscribe") => {
            json::parse_object(text, max_depth).map(|SaidNoMore { .. }| Said::Unsubscribe)?
        }
        Some("ping") => json::parse_object(text, max_depth).map(|SaidNoMore { .. }| Said::Ping)?,
        _ => {
            let fault = if r#type.is_none() { "is required and " } else { "" };
            let fault = format!("{fault}must be one of {TYPES}");
            return Err(Problem::invalid(Invalid::field("type", fault)));
        }
    };
    Ok(said)
}

impl SaidSubscribe {
    pub(super) fn parse(self) -> Result<Subscription, Problem> {
        let mut faults = Faults::default();
        if self.events.len() > MOST_TYPES {
            faults.add("events", format!("must be {MOST_TYPES} at the most"));
        } else if let Some(unknown) = self.events.iter().find_map(|name| parse_event_type(name).err()) {
            faults.add("events", unknown.to_string());
        }
        let aggregate = self.aggregate_type.as_deref().map(Aggregate::parse);
        if aggregate == Some(None) {
            let names = Aggregate::ALL.map(Aggregate::as_str).join(", ");
            faults.add("aggregateType", format!("must be one of {names}"));
        }
        let id = self.aggregate_id.as_deref().map(query::parse_uuid);
        let id = faults.keep_optional("aggregateId", id);
        if self.aggregate_id.is_some() && aggregate.is_none() {
            faults.add("aggregateId", "must stand together with aggregateType");
        }
        faults.finish().map_err(Problem::invalid)?;
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
