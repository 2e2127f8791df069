use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::{ANSWER_TIMEOUT, ApiClient, ApiError, ApiEvents, body, chunk, sent};

/// A call that is made up by whoever works with a server, rather than by a command for one thing.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// In capitals.
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// With its media type.
    pub body: Option<(String, Bytes)>,
    /// What is wanted, as a media type.
    pub accept: &'static str,
}

/// What a server answered, whether it did as it was told or not.
#[derive(Debug)]
pub struct ApiAnswer {
    pub status: u16,
    /// Without its parameters; empty where the server says none.
    pub media_type: String,
    answer: reqwest::Response,
}

impl ApiClient {
    /// Asks, and returns the status and how many bytes were answered, whatever they say. `is_newest`: no cache may answer.
    pub async fn measure(&self, path: &str, is_newest: bool) -> Result<(u16, u64), ApiError> {
        let consistency = is_newest.then(|| HeaderValue::from_static("strong"));
        let request = self.request_seeing(Method::GET, path, consistency)?;
        let answer = timeout(ANSWER_TIMEOUT, request.send()).await;
        let mut answer = answer.map_err(|_| ApiError::TimedOut)?.map_err(sent)?;
        let mut bytes = 0;
        while let Some(chunk) = chunk(&mut answer).await? {
            bytes += chunk.len() as u64;
        }
        Ok((answer.status().as_u16(), bytes))
    }

    /// Calls, and returns what is answered with success. What is refused is an error, as of every call.
    pub async fn call(&self, call: ApiCall) -> Result<ApiAnswer, ApiError> {
        let method = Method::from_bytes(call.method.as_bytes());
        let method = method.map_err(|_| ApiError::Unsendable(format!("{} is no method", call.method)))?;
        let mut request = self
            .request(method, &call.path)?
            .header(ACCEPT, HeaderValue::from_static(call.accept));
        for (name, value) in call.headers {
            let header = (HeaderName::try_from(&name), HeaderValue::try_from(&value));
            let (Ok(name), Ok(value)) = header else {
                let fault = format!("the header {name} cannot be sent with this value");
                return Err(ApiError::Unsendable(fault));
            };
            request = request.header(name, value);
        }
        if let Some((media_type, body)) = call.body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        let answer = self.begin(request).await?;
        let media_type = answer.headers().get(CONTENT_TYPE);
        let media_type = media_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        Ok(ApiAnswer {
            status: answer.status().as_u16(),
            media_type: media_type.to_owned(),
            answer,
        })
    }
}

impl ApiAnswer {
    /// What comes next; `None` at the end. An answer that breaks off is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        chunk(&mut self.answer).await
    }

    /// All of it, which is not much.
    pub async fn bytes(self) -> Result<Vec<u8>, ApiError> {
        body(self.answer).await
    }

    /// Server-sent events.
    pub fn events(self) -> ApiEvents {
        ApiEvents {
            answer: self.answer,
            text: Vec::new(),
        }
    }
}
