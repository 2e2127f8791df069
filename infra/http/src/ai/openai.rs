//! As OpenAI speaks: <https://platform.openai.com/docs/api-reference/chat/create>.

use fairlead_domain::ai::{ModelAnswer, Question, Tokens};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn body(model: &str, question: &Question) -> Value {
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": question.instructions},
            {"role": "user", "content": question.content},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": question.form_name, "strict": true, "schema": question.form},
        },
        "max_completion_tokens": question.max_output_tokens,
    })
}

#[derive(Deserialize)]
pub(super) struct Completion {
    choices: [Choice; 1],
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    /// `None`: it does not want to answer.
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl From<Completion> for ModelAnswer {
    fn from(completion: Completion) -> Self {
        let [Choice { message }] = completion.choices;
        Self {
            text: message.content.unwrap_or_default(),
            tokens: completion.usage.map(|usage| Tokens {
                input: usage.prompt_tokens,
                output: usage.completion_tokens,
            }),
        }
    }
}
