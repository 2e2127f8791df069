//! A provider of language models, of this machine, that speaks as OpenAI and as Gemini do, and fails as it is told.
//!
//! The forms are those of <https://platform.openai.com/docs/api-reference/chat/create> and
//! <https://ai.google.dev/api/generate-content>.

use serde_json::{Value, json};

use crate::receiver::Received;
pub use crate::service::Mood;
use crate::service::{Answers, Said, Service};

/// The model that it has, and the key that it knows.
pub const MODEL: &str = "test-model";
pub const KEY: &str = "the key of the provider";
/// The model that listens to recordings.
pub const LISTENER: &str = "test-listener";

/// How many tokens it says to have read and written.
pub type Usage = Option<(u64, u64)>;

#[derive(Debug)]
pub struct Provider(Service<Model>);

#[derive(Debug)]
struct Model {
    says: String,
    hears: String,
    usage: Usage,
}

impl Provider {
    pub async fn start() -> Self {
        let model = Model {
            says: String::new(),
            hears: String::new(),
            usage: Some((200, 50)),
        };
        Self(Service::start(model).await)
    }

    /// Where it speaks as OpenAI does.
    pub fn openai(&self) -> String {
        format!("{}/v1", self.0.url())
    }

    /// Where it speaks as Gemini does.
    pub fn gemini(&self) -> String {
        format!("{}/v1beta", self.0.url())
    }

    /// From now on it fares so.
    pub fn be(&self, mood: Mood) {
        self.0.be(mood);
    }

    /// From now on its model that listens does so, as OpenAI speaks.
    pub fn listen_so(&self, mood: Mood) {
        self.0.be_at("/v1/audio/transcriptions", mood);
    }

    /// From now on its model says this.
    pub fn say(&self, text: impl Into<String>) {
        self.0.with(|model| model.says = text.into());
    }

    /// From now on this is said in recordings.
    pub fn hear(&self, text: impl Into<String>) {
        self.0.with(|model| model.hears = text.into());
    }

    /// From now on it says to have read and written so much; `None`: it does not say.
    pub fn claim(&self, usage: Usage) {
        self.0.with(|model| model.usage = usage);
    }

    /// All that came in so far.
    pub fn asked(&self) -> Vec<Received> {
        self.0.asked()
    }

    /// How much it could write of what is too much.
    pub fn flooded_bytes(&self) -> usize {
        self.0.flooded_bytes()
    }
}

impl Answers for Model {
    fn answer(&mut self, asked: &Received) -> Said {
        let says = if is_recording(asked) {
            &self.hears
        } else {
            &self.says
        };
        answer(asked, says, self.usage)
    }

    fn failed(&self) -> Said {
        error(500, "The server had an error.")
    }
}

/// Whether it is asked what is said in a recording.
fn is_recording(asked: &Received) -> bool {
    asked.path == "/v1/audio/transcriptions" || asked.body.contains("\"inlineData\"")
}

/// Reads the parts of a form (RFC 7578): name and content of each.
fn form(asked: &Received) -> Option<Vec<(String, String)>> {
    let kind = asked.headers.get("content-type")?;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let body = asked.body.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let body = format!("\r\n{body}");
    let line = format!("\r\n--{boundary}\r\n");
    let mut parts = body.split(line.as_str());
    parts.next().filter(|before| before.is_empty())?;
    parts
        .map(|part| {
            let (head, content) = part.split_once("\r\n\r\n")?;
            let name = head.split("name=\"").nth(1)?.split('"').next()?;
            Some((name.to_owned(), content.to_owned()))
        })
        .collect()
}

/// Whether a form has a recording for a model that listens.
fn has_recording(asked: &Received) -> bool {
    let parts = form(asked).unwrap_or_default();
    let part = |wanted: &str| {
        parts
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, content)| content.as_str())
    };
    part("model") == Some(LISTENER) && part("file").is_some_and(|file| !file.is_empty())
}

/// What one that is well answers.
fn answer(asked: &Received, says: &str, usage: Usage) -> Said {
    let (path, headers) = (asked.path.as_str(), &asked.headers);
    let header = |name: &str| headers.get(name).map(String::as_str);
    let body: Value = serde_json::from_str(&asked.body).unwrap_or(Value::Null);
    let knows = if path.starts_with("/v1beta/") {
        header("x-goog-api-key") == Some(KEY)
    } else {
        header("authorization") == Some(&format!("Bearer {KEY}"))
    };
    if !knows && path.starts_with("/v1beta/") {
        return invalid_key();
    }
    if !knows {
        return error(401, "Incorrect API key provided.");
    }
    let gemini = format!("/v1beta/models/{MODEL}");
    match path {
        "/v1/models" => (
            200,
            json!({"object": "list", "data": [openai_model(MODEL), openai_model(LISTENER)]}),
        ),
        "/v1/chat/completions" if body["model"] == MODEL && body["messages"].is_array() => (
            200,
            json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_763_800_000, "model": MODEL,
                "choices": [{
                    "index": 0, "finish_reason": "stop", "logprobs": null,
                    "message": {"role": "assistant", "content": says, "refusal": null},
                }],
                "usage": usage.map(|(read, written)| json!({
                    "prompt_tokens": read, "completion_tokens": written, "total_tokens": read.saturating_add(written),
                })),
            }),
        ),
        "/v1/audio/transcriptions" if has_recording(asked) => (
            200,
            json!({
                "text": says,
                "usage": usage.map(|(read, written)| json!({
                    "type": "tokens", "input_tokens": read, "output_tokens": written,
                    "total_tokens": read.saturating_add(written),
                })),
            }),
        ),
        _ if path == gemini => (
            200,
            json!({"name": format!("models/{MODEL}"), "version": "001", "displayName": "Test"}),
        ),
        _ if path == format!("{gemini}:generateContent") && body["contents"].is_array() => (
            200,
            json!({
                "candidates": [{
                    "index": 0, "finishReason": "STOP",
                    "content": {"role": "model", "parts": [{"text": says}]},
                }],
                "usageMetadata": usage.map(|(read, written)| json!({
                    "promptTokenCount": read, "candidatesTokenCount": written,
                    "totalTokenCount": read.saturating_add(written),
                })),
                "modelVersion": MODEL,
            }),
        ),
        _ => error(404, "There is no such thing."),
    }
}

fn openai_model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_763_800_000, "owned_by": "test"})
}

fn error(status: u16, message: &str) -> Said {
    let error = json!({"message": message, "type": "error", "param": null, "code": null});
    (status, json!({ "error": error }))
}

/// As Gemini refuses a key: with 400, and the reason in `google.rpc.ErrorInfo`.
fn invalid_key() -> Said {
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    });
    let message = "API key not valid. Please pass a valid API key.";
    let error = json!({"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [detail]});
    (400, json!({ "error": error }))
}
