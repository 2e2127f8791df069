use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::identity::TenantId;
use crate::upstreams::UpstreamFault;

/// Answers questions, in bounded time.
#[async_trait]
pub trait LanguageModel: Debug + Send + Sync {
    /// How its provider calls it.
    fn name(&self) -> &str;

    /// Whether its provider would be asked now, so that nobody prepares a question in vain.
    fn is_callable(&self) -> bool;

    /// Asks in the name of a tenant. Nobody may hold a connection to the database meanwhile.
    async fn ask(&self, tenant: TenantId, question: &Question) -> Result<ModelAnswer, UpstreamFault>;

    /// Whether it can be asked what is said in recordings.
    fn listens(&self) -> bool;

    /// Whether it would be asked so now: who listens may be away while who answers questions is not.
    fn can_listen_now(&self) -> bool;

    /// Asks what is said in a recording, likewise; the answer is that alone.
    async fn transcribe(&self, tenant: TenantId, recording: &Recording)
    -> Result<ModelAnswer, UpstreamFault>;
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is to be done.
    pub instructions: &'static str,
    /// What it is to be done with: of one tenant alone.
    pub content: String,
    /// A name for the form of the answer,
    pub form_name: &'static str,
    /// and the form, as JSON Schema.
    pub form: Value,
    pub max_output_tokens: u32,
}

impl Question {
    /// What it may take at the most, or nearly so: a token is seldom less than two bytes.
    pub fn most_tokens(&self) -> Tokens {
        let bytes = self.instructions.len() + self.content.len() + self.form.to_string().len();
        Tokens {
            input: bytes as u64 / 2,
            output: self.max_output_tokens.into(),
        }
    }
}

/// Something that somebody has said.
#[derive(Clone)]
pub struct Recording {
    pub audio: AudioType,
    pub bytes: Arc<[u8]>,
}

/// How a recording is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioType {
    Wav,
    Mp3,
    Ogg,
    Flac,
    WebM,
}

impl AudioType {
    pub const ALL: [Self; 5] = [Self::Wav, Self::Mp3, Self::Ogg, Self::Flac, Self::WebM];

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::WebM => "audio/webm",
        }
    }

    pub fn parse(media_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|audio| audio.media_type() == media_type)
    }
}

impl Recording {
    /// What it may take at the most, or nearly so: the lowest rate at which speech is written has 750 bytes a second, and a
    /// second is some 32 tokens.
    pub fn most_tokens(&self) -> Tokens {
        Tokens {
            input: self.bytes.len() as u64 / 16 + 200,
            output: Self::MAX_OUTPUT_TOKENS.into(),
        }
    }

    pub const MAX_OUTPUT_TOKENS: u32 = 1_200;
}

impl Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording({:?}, {} bytes)", self.audio, self.bytes.len())
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct ModelAnswer {
    /// As it came: nobody has looked whether it has the form that was asked for.
    pub text: String,
    /// `None`: the provider does not say.
    pub tokens: Option<Tokens>,
}

/// How much was read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

impl Tokens {
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What a provider says to have taken, as far as it is believed: who has answered has read something, and written as
    /// much as it has said, and nobody charges for more than what a call may take. `None`: not at all.
    pub(super) fn believed(self, text: &str, most: Self) -> Option<Self> {
        let is_likely = self.input > 0 && (self.output > 0 || text.is_empty());
        is_likely.then(|| Self {
            input: self.input.min(most.input),
            output: self.output.min(most.output),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_believed_as_far_as_they_can_be() {
        let tokens = |input, output| Tokens { input, output };
        let most = tokens(500, 800);

        assert_eq!(tokens(200, 50).believed("x", most), Some(tokens(200, 50)));
        assert_eq!(tokens(200, 0).believed("", most), Some(tokens(200, 0)));
        assert_eq!(tokens(u64::MAX, 900).believed("x", most), Some(most));
        assert_eq!(tokens(0, 50).believed("x", most), None);
        assert_eq!(tokens(200, 0).believed("x", most), None);
    }
}
