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
use serde_json::Value;

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
    /// Which one listens to recordings; `None`: none does.
    listener: Option<String>,
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
    /// `listener` is the model that listens to recordings. As Gemini speaks, `model` does so itself where none is named.
    pub fn new(upstream: Arc<Upstream>, wire: AiWire, model: String, listener: Option<String>) -> Self {
        let listener = match wire {
            AiWire::OpenAi => listener,
            AiWire::Gemini => listener.or_else(|| Some(model.clone())),
        };
        Self {
            upstream,
            wire,
            model,
            listener,
        }
    }

    /// Asks whether the provider has the model: free of charge.
    pub async fn is_known(&self) -> Result<bool, UpstreamFault> {
        let look = Call {
            path: self.look(),
            repeat: Repeat::WhereFree,
            denial: self.denial(),
            ..Call::default()
        };
        match self.wire {
            AiWire::OpenAi => {
                let models: OpenAiModels = self.upstream.call(&look).await?;
                Ok(models.data.iter().any(|model| model.id == self.model))
            }
            AiWire::Gemini => match self.upstream.call::<GeminiModel>(&look).await {
                Ok(model) => Ok(model.name == format!("models/{}", self.model)),
                Err(UpstreamFault::Refused(404)) => Ok(false),
                Err(fault) => Err(fault),
            },
        }
    }

    /// Where the provider says which models it has, or that it has this one.
    fn look(&self) -> String {
        match self.wire {
            AiWire::OpenAi => "/models".to_owned(),
            AiWire::Gemini => format!("/models/{}", self.model),
        }
    }

    fn denial(&self) -> Option<Denial> {
        match self.wire {
            AiWire::OpenAi => None,
            AiWire::Gemini => Some(gemini::is_denial),
        }
    }

    /// To be asked twice changes nothing, but may be charged twice: what came to nothing in passing was not.
    fn post(&self, tenant: TenantId, path: String, body: &Value) -> Call {
        self.post_bytes(tenant, path, body.to_string().into(), Vec::new())
    }

    fn post_bytes(
        &self,
        tenant: TenantId,
        path: String,
        body: Bytes,
        headers: Vec<(&'static str, String)>,
    ) -> Call {
        Call {
            method: Method::POST,
            path,
            body: Some(body),
            headers,
            repeat: Repeat::WhereFree,
            tenant: Some(tenant),
            herald: Some(self.look()),
            denial: self.denial(),
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
        match self.wire {
            AiWire::OpenAi => {
                let body = openai::body(&self.model, question);
                let call = self.post(tenant, "/chat/completions".to_owned(), &body);
                let completion: openai::Completion = self.upstream.call(&call).await?;
                Ok(completion.into())
            }
            AiWire::Gemini => {
                let path = format!("/models/{}:generateContent", self.model);
                let call = self.post(tenant, path, &gemini::body(question));
                let generated: gemini::Generated = self.upstream.call(&call).await?;
                Ok(generated.into())
            }
        }
    }

    fn listens(&self) -> bool {
        self.listener.is_some()
    }

    #[tracing::instrument(level = "debug", name = "http.transcribe", skip_all)]
    async fn transcribe(
        &self,
        tenant: TenantId,
        recording: &Recording,
    ) -> Result<ModelAnswer, UpstreamFault> {
        // Nobody asks without one.
        let listener = self.listener.as_deref().unwrap_or(&self.model);
        match self.wire {
            AiWire::OpenAi => {
                let (media_type, body) = openai::recording(listener, recording);
                let path = "/audio/transcriptions".to_owned();
                let call = self.post_bytes(tenant, path, body, vec![("content-type", media_type)]);
                let transcription: openai::Transcription = self.upstream.call(&call).await?;
                Ok(transcription.into())
            }
            AiWire::Gemini => {
                let path = format!("/models/{listener}:generateContent");
                let call = self.post(tenant, path, &gemini::recording(recording));
                let generated: gemini::Generated = self.upstream.call(&call).await?;
                Ok(generated.into())
            }
        }
    }
}
