use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::Actor;
use crate::identity::UserId;
use crate::leads::LeadId;
use crate::{Id, Revision};

/// One thing that was done about a lead, or that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    pub id: ActivityId,
    pub lead: LeadId,
    pub kind: ActivityKind,
    pub subject: Option<String>,
    pub body: Option<String>,
    /// The user who did it; `None`: an API key or the platform.
    pub actor: Option<UserId>,
    pub occurred_at: OffsetDateTime,
    pub version: i64,
    pub created_at: OffsetDateTime,
}

pub type ActivityId = Id<Activity>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    Note,
    Call,
    Email,
    Meeting,
    Task,
    StatusChange,
    Assignment,
    Score,
}

impl ActivityKind {
    pub const ALL: [Self; 8] = [
        Self::Note,
        Self::Call,
        Self::Email,
        Self::Meeting,
        Self::Task,
        Self::StatusChange,
        Self::Assignment,
        Self::Score,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "NOTE",
            Self::Call => "CALL",
            Self::Email => "EMAIL",
            Self::Meeting => "MEETING",
            Self::Task => "TASK",
            Self::StatusChange => "STATUS_CHANGE",
            Self::Assignment => "ASSIGNMENT",
            Self::Score => "SCORE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the platform alone writes it.
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::StatusChange | Self::Assignment | Self::Score)
    }
}

impl Activity {
    /// It does not tell when it was changed.
    pub fn revision(&self) -> Revision {
        let occurred_at = self.occurred_at.unix_timestamp_nanos().to_be_bytes();
        let texts = [&self.subject, &self.body];
        let texts = texts.map(|text| text.as_deref().unwrap_or_default().as_bytes());
        Revision::of_content(self.version, texts.into_iter().chain([occurred_at.as_slice()]))
    }

    /// What the platform notes about a change of a lead.
    pub fn automatic(
        id: Uuid,
        lead: LeadId,
        kind: ActivityKind,
        subject: String,
        actor: Actor,
        at: OffsetDateTime,
    ) -> Self {
        Self {
            id: Id::from_uuid(id),
            lead,
            kind,
            subject: Some(subject),
            body: None,
            actor: actor.user(),
            occurred_at: at,
            version: 1,
            created_at: at,
        }
    }
}
