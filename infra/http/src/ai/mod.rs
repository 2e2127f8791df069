//! Language models, by the two forms in which providers speak: that of OpenAI, which many others have taken over, and that
//! of Gemini.

mod gemini;
mod openai;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fairlead_domain::ai::{LanguageModel, ModelAnswer, Question, Recording};
use fairlead_domain::identity::TenantId;
use fairlead_domain::upstreams::UpstreamFault;
use reqwest::Method;
use serde::Deserialize;

use crate::Upstream;
use crate::upstream::{Call, Denial, Repeat};

/// How a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AiWire {
    OpenAi,
    Gemini,
}

/// One model of a provider.
#[derive(Clone, Debug)]
pub struct HttpLanguageModel {
    upstream: Arc<Upstream>,
    wire: AiWire,
    model: String,
    /// `None`: nobody listens to recordings.
    listener: Option<Listener>,
}

/// Who listens to recordings: an upstream of its own, though it may be of the same provider. A recording takes longer than a
/// question, so neither its failures nor its places may be those of questions.
#[derive(Clone, Debug)]
pub struct Listener {
    pub upstream: Arc<Upstream>,
    pub model: String,
}

/// <https://platform.openai.com/docs/api-reference/models/list>
#[derive(Deserialize)]
struct OpenAiModels {
    data: Vec<OpenAiModel>,
}

#[derive(Deserialize)]
struct OpenAiModel {
    id: String,
}

/// <https://ai.google.dev/api/models#method:-models.get>
#[derive(Deserialize)]
struct GeminiModel {
    name: String,
}

impl HttpLanguageModel {
    pub fn new(upstream: Arc<Upstream>, wire: AiWire, model: String, listener: Option<Listener>) -> Self {
        Self {
            upstream,
            wire,
            model,
            listener,
        }
    }

    /// Asks whether the provider has the model: free of charge.
    pub async fn is_known(&self) -> Result<bool, UpstreamFault> {
        self.has(&self.upstream, &self.model).await
    }

    /// The same of the model that listens to recordings; `None`: none does.
    pub async fn is_listener_known(&self) -> Option<Result<bool, UpstreamFault>> {
        let listener = self.listener.as_ref()?;
        Some(self.has(&listener.upstream, &listener.model).await)
    }

    async fn has(&self, upstream: &Upstream, model: &str) -> Result<bool, UpstreamFault> {
        let look = Call {
            path: self.look(model),
            repeat: Repeat::WhereFree,
            denial: self.denial(),
            ..Call::default()
        };
        match self.wire {
            AiWire::OpenAi => {
                let models: OpenAiModels = upstream.call(&look).await?;
                Ok(models.data.iter().any(|known| known.id == model))
            }
            AiWire::Gemini => match upstream.call::<GeminiModel>(&look).await {
                Ok(known) => Ok(known.name == format!("models/{model}")),
                Err(UpstreamFault::Refused(404)) => Ok(false),
                Err(fault) => Err(fault),
            },
        }
    }

    /// Where the provider says which models it has, or that it has this one.
    fn look(&self, model: &str) -> String {
        match self.wire {
            AiWire::OpenAi => "/models".to_owned(),
            AiWire::Gemini => format!("/models/{model}"),
        }
    }

    fn denial(&self) -> Option<Denial> {
        match self.wire {
            AiWire::OpenAi => None,
            AiWire::Gemini => Some(gemini::is_denial),
        }
    }

    /// To be asked twice changes nothing, but may be charged twice: what came to nothing in passing was not.
    fn post(&self, tenant: TenantId, model: &str, path: String, body: Bytes) -> Call {
        Call {
            method: Method::POST,
            path,
            body: Some(body),
            repeat: Repeat::WhereFree,
            tenant: Some(tenant),
            herald: Some(self.look(model)),
            denial: self.denial(),
            ..Call::default()
        }
    }
}

#[async_trait]
impl LanguageModel for HttpLanguageModel {
    fn name(&self) -> &str {
        &self.model
    }

    fn is_callable(&self) -> bool {
        self.upstream.is_callable()
    }

    #[tracing::instrument(level = "debug", name = "http.ask_model", skip_all)]
    async fn ask(&self, tenant: TenantId, question: &Question) -> Result<ModelAnswer, UpstreamFault> {
        let model = &self.model;
        match self.wire {
            AiWire::OpenAi => {
                let body = openai::body(model, question).to_string();
                let call = self.post(tenant, model, "/chat/completions".to_owned(), body.into());
                let completion: openai::Completion = self.upstream.call(&call).await?;
                Ok(completion.into())
            }
            AiWire::Gemini => {
                let path = format!("/models/{model}:generateContent");
                let body = gemini::body(question).to_string();
                let call = self.post(tenant, model, path, body.into());
                let generated: gemini::Generated = self.upstream.call(&call).await?;
                Ok(generated.into())
            }
        }
    }

    fn listens(&self) -> bool {
        self.listener.is_some()
    }

    fn can_listen_now(&self) -> bool {
        let listener = self.listener.as_ref();
        listener.is_some_and(|listener| listener.upstream.is_callable())
    }

    #[tracing::instrument(level = "debug", name = "http.transcribe", skip_all)]
    async fn transcribe(
        &self,
        tenant: TenantId,
        recording: &Recording,
    ) -> Result<ModelAnswer, UpstreamFault> {
        let Some(Listener { upstream, model }) = &self.listener else {
            // Nobody asks without one.
            return Err(UpstreamFault::Open);
        };
        match self.wire {
            AiWire::OpenAi => {
                let (media_type, body) = openai::recording(model, recording);
                let path = "/audio/transcriptions".to_owned();
                let call = Call {
                    headers: vec![("content-type", media_type)],
                    ..self.post(tenant, model, path, body)
                };
                let transcription: openai::Transcription = upstream.call(&call).await?;
                Ok(transcription.into())
            }
            AiWire::Gemini => {
                let path = format!("/models/{model}:generateContent");
                let body = gemini::recording(recording).to_string();
                let call = self.post(tenant, model, path, body.into());
                let generated: gemini::Generated = upstream.call(&call).await?;
                Ok(generated.into())
            }
        }
    }
}
