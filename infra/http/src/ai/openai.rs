//! As OpenAI speaks: <https://platform.openai.com/docs/api-reference/chat/create>.

use bytes::Bytes;
use fairlead_domain::ai::{AudioType, ModelAnswer, Question, Recording, Tokens};
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

/// A form with a file (RFC 7578), and its media type: <https://platform.openai.com/docs/api-reference/audio/createTranscription>.
pub(super) fn recording(model: &str, recording: &Recording) -> (String, Bytes) {
    let file = match recording.audio {
        AudioType::Wav => "recording.wav",
        AudioType::Mp3 => "recording.mp3",
        AudioType::Ogg => "recording.ogg",
        AudioType::Flac => "recording.flac",
        AudioType::WebM => "recording.webm",
    };
    let boundary = boundary();
    let part = |name: &str| format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"");
    let mut body = format!(
        "{}\r\n\r\n{model}\r\n{}\r\n\r\njson\r\n{}; filename=\"{file}\"\r\ncontent-type: {}\r\n\r\n",
        part("model"),
        part("response_format"),
        part("file"),
        recording.audio.media_type(),
    )
    .into_bytes();
    body.extend_from_slice(&recording.bytes);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}

/// A line that nobody knows who has made the recording, so nobody can end its part early: 128 random bits.
fn boundary() -> String {
    format!("fairlead-{:032x}", rand::random::<u128>())
}

#[derive(Deserialize)]
pub(super) struct Transcription {
    text: String,
    usage: Option<TranscriptionUsage>,
}

/// Some models are billed by the second, and tell no tokens.
#[derive(Deserialize)]
struct TranscriptionUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl From<Transcription> for ModelAnswer {
    fn from(Transcription { text, usage }: Transcription) -> Self {
        let tokens = usage.and_then(|usage| {
            Some(Tokens {
                input: usage.input_tokens?,
                output: usage.output_tokens?,
            })
        });
        Self { text, tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bytes: &[u8]) -> (String, Vec<u8>) {
        let (media_type, body) = recording(
            "whisper-1",
            &Recording {
                audio: AudioType::Ogg,
                bytes: bytes.to_owned().into(),
            },
        );
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        (boundary.to_owned(), body.to_vec())
    }

    #[test]
    fn a_form_has_the_recording_as_it_is_between_lines_that_nobody_could_know() {
        // Whoever knew of boundaries that are numbered would end the part here, and name another model.
        let audio = b"\xff\r\n--fairlead-0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nother\r\n--fairlead-0--\r\n";

        let (boundary, body) = form(audio);

        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"response_format\"\r\n\r\njson\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"recording.ogg\"\r\n\
             content-type: audio/ogg\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        assert_eq!(body, [head.as_bytes(), audio, tail.as_bytes()].concat());
    }

    #[test]
    fn no_two_forms_have_the_same_boundary() {
        let [(one, _), (other, _)] = [form(b"RIFF"), form(b"RIFF")];

        assert_ne!(one, other);
        // RFC 2046, section 5.1.1: 70 characters at the most.
        assert!((32..=70).contains(&one.len()), "{one}");
    }
}
