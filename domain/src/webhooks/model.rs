use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::cache::parse_event_type;
use crate::{Id, Revision};

/// A URL that events of a tenant are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    /// As the guard of outbound calls has accepted it.
    pub url: String,
    pub description: Option<String>,
    pub events: EventSelection,
    pub state: WebhookState,
    /// Until when what is sent is signed with the secret before this one, too.
    pub old_secret_until: Option<OffsetDateTime>,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

pub type WebhookId = Id<Webhook>;

impl Webhook {
    pub fn revision(&self) -> Revision {
        Revision::made_at(self.version, self.updated_at)
    }
}

/// Which events a webhook wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSelection {
    All,
    /// By their names, sorted; never empty.
    Types(Vec<String>),
}

impl EventSelection {
    /// Reads the names of types; `None`: all there are, also those to come.
    pub fn parse(names: Option<Vec<String>>) -> Result<Self, String> {
        let Some(names) = names else {
            return Ok(Self::All);
        };
        let names: BTreeSet<String> = names.into_iter().collect();
        if let Some(unknown) = names.iter().find_map(|name| parse_event_type(name).err()) {
            return Err(unknown.to_string());
        }
        if names.is_empty() {
            return Err("must name a type of events, or be null for all".to_owned());
        }
        Ok(Self::Types(names.into_iter().collect()))
    }

    pub fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Types(names) => names.iter().any(|name| name == event_type),
        }
    }

    /// `None`: all.
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Types(names) => Some(names),
        }
    }
}

/// Whether a webhook is sent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    Enabled,
    Disabled {
        reason: DisabledReason,
        since: OffsetDateTime,
    },
}

impl WebhookState {
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    /// Why it is sent nothing, and since when.
    pub fn disabled(self) -> Option<(DisabledReason, OffsetDateTime)> {
        match self {
            Self::Enabled => None,
            Self::Disabled { reason, since } => Some((reason, since)),
        }
    }
}

/// Why a webhook is sent nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// Somebody has switched it off.
    Requested,
    /// Its receiver has answered 410: it wants nothing any more.
    Gone,
    /// Nothing was taken for as long as a delivery is tried.
    Failing,
}

impl DisabledReason {
    pub const ALL: [Self; 3] = [Self::Requested, Self::Gone, Self::Failing];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Gone => "GONE",
            Self::Failing => "FAILING",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<EventSelection, String> {
        EventSelection::parse(Some(names.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn a_selection_names_types_that_there_are() {
        let two = parse(&["lead_updated", "lead_created", "lead_updated"]).unwrap();

        assert_eq!(two.names().unwrap(), ["lead_created", "lead_updated"]);
        assert!(two.matches("lead_created") && !two.matches("lead_deleted"));
        assert!(EventSelection::parse(None).unwrap().matches("lead_deleted"));
        assert!(parse(&[]).is_err());
        let refused = parse(&["lead_invented"]).unwrap_err();
        assert!(
            refused.starts_with(r#""lead_invented" is no type of events"#),
            "{refused}"
        );
    }
}
