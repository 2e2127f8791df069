use fairlead_domain::voice::{NotTranscribed, VoiceError};

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<VoiceError> for Problem {
    fn from(error: VoiceError) -> Self {
        match error {
            VoiceError::NotUnderstood | VoiceError::NobodyIsMe => {
                Self::client(Kind::CommandNotUnderstood, error.to_string())
            }
            VoiceError::NoSuchLead | VoiceError::NoSuchAgent => {
                Self::client(Kind::NotFound, error.to_string())
            }
            VoiceError::Denied(error) => error.into(),
            VoiceError::Create(error) => error.into(),
            VoiceError::Note(error) => error.into(),
            VoiceError::Update(error) => error.into(),
            VoiceError::Assign(error) => error.into(),
            VoiceError::Store(error) => error.into(),
        }
    }
}

impl Problematic for VoiceError {
    const KINDS: &'static [Kind] = &[
        Kind::NotPermitted,
        Kind::NotFound,
        Kind::StaleVersion,
        Kind::InvalidTransition,
        Kind::AgentFull,
        Kind::NoAgentFree,
        Kind::InvalidInput,
        Kind::CommandNotUnderstood,
        Kind::InvalidConfirmation,
        Kind::NobodyListens,
        Kind::NotTranscribed,
    ];
}

impl From<NotTranscribed> for Problem {
    fn from(error: NotTranscribed) -> Self {
        match error {
            NotTranscribed::NotConfigured | NotTranscribed::BudgetSpent => {
                Self::client(Kind::NobodyListens, error.to_string())
            }
            NotTranscribed::Unavailable => Self::bare(Kind::NotTranscribed),
        }
    }
}
