use crate::leads::{LeadDraft, SearchText, Status};

/// What is to be done, in the words it was said with: whom they mean nobody has looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub enum VoiceCommand {
    CreateLead(Box<LeadDraft>),
    AddNote { lead: String, text: String },
    ChangeStatus { lead: String, status: Status },
    Assign { lead: String, to: Whom },
    Search(SearchText),
    Statistics,
}

/// Who is to have a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Me,
    Nobody,
    /// The best agent with room.
    Best,
    Named(String),
}

/// What kind of thing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandType {
    CreateLead,
    AddNote,
    ChangeStatus,
    Assign,
    Search,
    Statistics,
}

impl CommandType {
    pub const ALL: [Self; 6] = [
        Self::CreateLead,
        Self::AddNote,
        Self::ChangeStatus,
        Self::Assign,
        Self::Search,
        Self::Statistics,
    ];
    /// How what was not understood is called.
    pub const UNKNOWN: &'static str = "unknown";

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateLead => "create-lead",
            Self::AddNote => "add-note",
            Self::ChangeStatus => "change-status",
            Self::Assign => "assign",
            Self::Search => "search",
            Self::Statistics => "statistics",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The name of what was understood, if anything was.
    pub fn name(command: Option<Self>) -> &'static str {
        command.map_or(Self::UNKNOWN, Self::as_str)
    }
}

impl VoiceCommand {
    pub fn kind(&self) -> CommandType {
        match self {
            Self::CreateLead(_) => CommandType::CreateLead,
            Self::AddNote { .. } => CommandType::AddNote,
            Self::ChangeStatus { .. } => CommandType::ChangeStatus,
            Self::Assign { .. } => CommandType::Assign,
            Self::Search(_) => CommandType::Search,
            Self::Statistics => CommandType::Statistics,
        }
    }
}
