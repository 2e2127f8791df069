use std::fmt::Write as _;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Escalation, Incident, Metric, Notice, Severity};
use crate::Id;

pub type AlertId = Id<Alert>;

/// An incident of a rule or an objective, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: AlertId,
    /// The key of what it is of.
    pub rule: String,
    /// `None`: it is how fast the budget of an objective is spent, in multiples of what it allows.
    pub metric: Option<Metric>,
    /// As it was when it was seen last.
    pub incident: Incident,
    /// `None`: it is not known to be over.
    pub resolved: Option<OffsetDateTime>,
    pub acknowledged_by: Option<String>,
}

/// What was told of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertNotice {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub kind: NoticeKind,
    pub severity: Severity,
    /// The value then.
    pub value: f64,
    /// Why it is critical now, where that is what is told.
    pub why: Option<Escalation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    Opened,
    Escalated,
    Resolved,
}

/// Which alerts are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhichAlerts {
    /// `Some(true)`: those that are not over.
    pub is_active: Option<bool>,
    pub rule: Option<String>,
    pub severity: Option<Severity>,
}

impl NoticeKind {
    pub const ALL: [Self; 3] = [Self::Opened, Self::Escalated, Self::Resolved];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl AlertNotice {
    pub(super) fn new(id: Uuid, at: OffsetDateTime, notice: &Notice) -> Self {
        let incident = notice.incident();
        let (kind, why) = match notice {
            Notice::Opened(_) => (NoticeKind::Opened, None),
            Notice::Escalated { why, .. } => (NoticeKind::Escalated, Some(*why)),
            Notice::Resolved { .. } => (NoticeKind::Resolved, None),
        };
        Self {
            id,
            at,
            kind,
            severity: incident.severity,
            value: incident.latest,
            why,
        }
    }

    /// In a line, for people.
    pub fn text(&self, alert: &Alert) -> String {
        let mut text = format!("{} {}", self.severity.as_str(), alert.rule);
        let (what, value) = (alert.metric.map_or("burn", Metric::as_str), self.value);
        let worst = alert.incident.worst;
        // A String takes any text.
        let _ = match (self.kind, self.why) {
            (NoticeKind::Opened, _) => write!(text, ": {what} is {value}"),
            (NoticeKind::Escalated, Some(Escalation::Lasting)) => {
                write!(text, ": {what} is {value}, and nobody has acknowledged it")
            }
            (NoticeKind::Escalated, _) => write!(text, ": {what} is worse, {value}"),
            (NoticeKind::Resolved, _) => write!(text, " is over: {what} is {value}, at worst {worst}"),
        };
        text
    }
}
