use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fairlead_domain::ai::{AudioType, Recording};
use fairlead_domain::invalid::{Faults, Invalid};
use fairlead_domain::text as texts;
use fairlead_domain::voice::MAX_TRANSCRIPT;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::text;

/// The most bytes of a recording.
const MAX_AUDIO_BYTES: usize = 2 << 20;
/// The most characters that they are sent as.
const MAX_AUDIO_TEXT: usize = MAX_AUDIO_BYTES.div_ceil(3) * 4;

/// What somebody says: one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct VoiceBody {
    transcript: Option<String>,
    audio: Option<AudioBody>,
    confirmation: Option<String>,
}

/// What [`VoiceBody`] reads, for the specification.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = VoiceCommand)]
#[expect(dead_code, reason = "documents the body")]
pub(super) enum VoiceBodyShape {
    Said(TranscriptBody),
    Recorded(RecordedBody),
    Confirmed(ConfirmedBody),
}

/// What was said.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VoiceTranscript)]
#[expect(dead_code, reason = "documents the body")]
pub(super) struct TranscriptBody {
    #[schema(schema_with = text::prose::<2_000>)]
    transcript: String,
}

/// What was recorded.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VoiceRecording)]
#[expect(dead_code, reason = "documents the body")]
pub(super) struct RecordedBody {
    audio: AudioBody,
}

/// That what an answer asked about is to be done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VoiceConfirmation)]
#[expect(dead_code, reason = "documents the body")]
pub(super) struct ConfirmedBody {
    /// The `token` of one of the choices.
    #[schema(max_length = 40_000)]
    confirmation: String,
}

/// A recording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = VoiceAudio)]
pub(super) struct AudioBody {
    #[schema(value_type = AudioTypeView)]
    media_type: String,
    /// Base64 (RFC 4648, section 4), of 2 MiB at the most.
    #[schema(content_encoding = "base64", min_length = 4, max_length = 2_796_204)]
    data: String,
}

#[derive(ToSchema)]
#[schema(as = VoiceAudioType)]
#[expect(dead_code, reason = "documents the values of `mediaType`")]
enum AudioTypeView {
    #[serde(rename = "audio/wav")]
    Wav,
    #[serde(rename = "audio/mpeg")]
    Mp3,
    #[serde(rename = "audio/ogg")]
    Ogg,
    #[serde(rename = "audio/flac")]
    Flac,
    #[serde(rename = "audio/webm")]
    WebM,
}

/// What somebody says.
#[derive(Debug)]
pub(super) enum Told {
    Words(String),
    Recording(Recording),
    Confirmation(String),
}

impl VoiceBody {
    pub(super) fn parse(self) -> Result<Told, Invalid> {
        match (self.transcript, self.audio, self.confirmation) {
            (Some(words), None, None) => {
                let mut faults = Faults::default();
                let words = faults.keep("transcript", texts::prose(&words, MAX_TRANSCRIPT));
                faults.finish()?;
                Ok(Told::Words(words.unwrap_or_default()))
            }
            (None, Some(audio), None) => audio.parse().map(Told::Recording),
            (None, None, Some(token)) => Ok(Told::Confirmation(token)),
            _ => Err(Invalid::field(
                "transcript",
                "give one of transcript, audio and confirmation, and one alone",
            )),
        }
    }
}

impl AudioBody {
    fn parse(self) -> Result<Recording, Invalid> {
        let mut faults = Faults::default();
        let all = AudioType::ALL.map(AudioType::media_type).join(", ");
        let audio = AudioType::parse(&self.media_type).ok_or_else(|| format!("must be one of {all}"));
        let audio = faults.keep("audio.mediaType", audio);
        let bytes = faults.keep("audio.data", decode(&self.data));
        faults.finish()?;
        Ok(Recording {
            audio: audio.expect("there was no fault"),
            bytes: bytes.expect("there was no fault").into(),
        })
    }
}

fn decode(data: &str) -> Result<Vec<u8>, String> {
    let too_large = || format!("must have at most {MAX_AUDIO_BYTES} bytes");
    if data.len() > MAX_AUDIO_TEXT {
        return Err(too_large());
    }
    match STANDARD.decode(data) {
        Ok(bytes) if bytes.is_empty() => Err("must not be empty".to_owned()),
        Ok(bytes) if bytes.len() > MAX_AUDIO_BYTES => Err(too_large()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err("must be base64".to_owned()),
    }
}
