use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == text)
    }
}

impl Escalation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Lasting => "lasting",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Worse, Self::Lasting]
            .into_iter()
            .find(|escalation| escalation.as_str() == text)
    }
}

/// Something is wrong, and is not known to be well again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Counts the incidents of a rule, from 1.
    pub number: u64,
    /// The worst that it has been.
    pub severity: Severity,
    /// Since when it is bad.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it had been bad for long enough.
    #[serde(with = "time::serde::rfc3339")]
    pub opened: OffsetDateTime,
    /// The worst value there was.
    pub worst: f64,
    /// The last value there was.
    pub latest: f64,
    /// What people were told; `None`: they were not, because of a silence or so soon after another one.
    pub told: Option<Told>,
    /// Since when somebody takes care of it, so nobody need be told that it lasts.
    #[serde(with = "time::serde::rfc3339::option")]
    pub acknowledged: Option<OffsetDateTime>,
    /// That it comes and goes, so it is not taken for resolved before it was well for longer.
    pub is_flapping: bool,
}

/// What people were told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// How bad it is,
    pub severity: Severity,
    /// and since when they know of it.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// Why an incident became critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Escalation {
    /// What is measured is worse.
    Worse,
    /// It has lasted, and nobody has acknowledged it.
    Lasting,
}

/// What people are to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    Opened(Incident),
    Escalated { incident: Incident, why: Escalation },
    Resolved { incident: Incident, at: OffsetDateTime },
}

impl Notice {
    pub fn incident(&self) -> &Incident {
        match self {
            Self::Opened(incident) | Self::Escalated { incident, .. } | Self::Resolved { incident, .. } => {
                incident
            }
        }
    }

    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Escalated { .. } => "escalated",
            Self::Resolved { .. } => "resolved",
        }
    }
}
