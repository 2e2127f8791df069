use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use crate::upstreams::UpstreamFault;

/// Answers questions, in bounded time.
#[async_trait]
pub trait LanguageModel: Debug + Send + Sync {
    /// How its provider calls it.
    fn name(&self) -> &str;

    /// Whether its provider would be asked now, so that nobody prepares a question in vain.
    fn is_callable(&self) -> bool;

    /// Asks. Nobody may hold a connection to the database meanwhile.
    async fn ask(&self, question: &Question) -> Result<ModelAnswer, UpstreamFault>;
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
}
