//! Language models, by the two forms in which providers speak: that of OpenAI, which many others have taken over, and that
//! of Gemini.

mod gemini;
mod openai;

use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::ai::{LanguageModel, ModelAnswer, Question};
use fairlead_domain::upstreams::UpstreamFault;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::Upstream;
use crate::upstream::Call;

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
    pub fn new(upstream: Arc<Upstream>, wire: AiWire, model: String) -> Self {
        Self {
            upstream,
            wire,
            model,
        }
    }

    /// Asks whether the provider has the model: free of charge.
    pub async fn is_known(&self) -> Result<bool, UpstreamFault> {
        match self.wire {
            AiWire::OpenAi => {
                let models: OpenAiModels = self.upstream.call(&look("/models".to_owned())).await?;
                Ok(models.data.iter().any(|model| model.id == self.model))
            }
            AiWire::Gemini => {
                let name = format!("models/{}", self.model);
                match self.upstream.call::<GeminiModel>(&look(format!("/{name}"))).await {
                    Ok(model) => Ok(model.name == name),
                    Err(UpstreamFault::Refused(404)) => Ok(false),
                    Err(fault) => Err(fault),
                }
            }
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
    async fn ask(&self, question: &Question) -> Result<ModelAnswer, UpstreamFault> {
        match self.wire {
            AiWire::OpenAi => {
                let call = post(
                    "/chat/completions".to_owned(),
                    &openai::body(&self.model, question),
                );
                let completion: openai::Completion = self.upstream.call(&call).await?;
                Ok(completion.into())
            }
            AiWire::Gemini => {
                let path = format!("/models/{}:generateContent", self.model);
                let call = post(path, &gemini::body(question));
                let generated: gemini::Generated = self.upstream.call(&call).await?;
                Ok(generated.into())
            }
        }
    }
}

/// To be asked twice changes nothing, but may be charged twice: what came to nothing in passing was not.
fn post(path: String, body: &Value) -> Call {
    Call {
        method: Method::POST,
        path,
        body: Some(body.to_string().into()),
        repeatable: true,
    }
}

fn look(path: String) -> Call {
    Call {
        method: Method::GET,
        path,
        body: None,
        repeatable: true,
    }
}
