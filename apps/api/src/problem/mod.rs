//! What the API answers when it cannot do what was asked: RFC 9457, `application/problem+json`.
//!
//! [`Kind`] is the one table of problem types. A [`Problem`] is one occurrence; every failure of a handler, an
//! extractor or a middleware becomes one, and `from` is the one place where the domain's errors are mapped to it.

mod activities;
mod billing;
mod carriers;
mod events;
mod from;
mod identity;
mod kind;
mod leads;
mod operations;
mod plans;
mod view;
mod voice;
mod webhooks;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use fairlead_domain::invalid::{FieldError, Invalid};
use fairlead_telemetry::request;

pub use kind::{Kind, Row};
pub use view::{InvalidValueView, ProblemView};

/// The media type of every problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One thing that went wrong with one request.
#[derive(Clone)]
pub struct Problem {
    kind: Kind,
    detail: Option<Cow<'static, str>>,
    errors: Vec<InvalidValueView>,
    retry_after_seconds: Option<u64>,
    allow: Option<String>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem of the caller's making, told in `detail`.
    pub fn client(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::bare(kind)
        }
    }

    /// A problem on our side: `cause` is logged and not told.
    pub fn server(kind: Kind, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..Self::bare(kind)
        }
    }

    /// A problem of which there is no more to say than its type.
    pub fn bare(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            errors: Vec::new(),
            retry_after_seconds: None,
            allow: None,
            cause: None,
        }
    }

    /// Missing, or another tenant's: the same answer whatever the id.
    pub fn not_found() -> Self {
        Self::client(Kind::NotFound, "there is nothing of this id")
    }

    /// Values of a body that cannot be accepted.
    pub fn invalid(invalid: Invalid) -> Self {
        Self::invalid_under("", invalid)
    }

    /// Values of a part of a body that cannot be accepted; `parent` is the JSON pointer of the part: `/leads/3`.
    pub fn invalid_under(parent: &str, Invalid(faults): Invalid) -> Self {
        Self::invalid_values(
            faults
                .into_iter()
                .map(|FieldError { field, detail }| InvalidValueView::at(pointer(parent, &field), detail))
                .collect(),
        )
    }

    /// Values of query parameters that cannot be accepted.
    pub fn invalid_parameters(Invalid(faults): Invalid) -> Self {
        Self::invalid_values(
            faults
                .into_iter()
                .map(|FieldError { field, detail }| InvalidValueView::parameter(field.into_owned(), detail))
                .collect(),
        )
    }

    /// One query parameter that cannot be accepted.
    pub fn invalid_parameter(parameter: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid_parameters(Invalid::field(parameter, detail))
    }

    pub fn invalid_values(errors: Vec<InvalidValueView>) -> Self {
        let detail = match errors.as_slice() {
            [one] => Cow::Owned(one.to_string()),
            several => Cow::Owned(format!("{} values cannot be accepted", several.len())),
        };
        Self {
            errors,
            ..Self::client(Kind::InvalidInput, detail)
        }
    }

    /// Tells when another try makes sense, instead of the kind's usual time.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The methods that the path does have.
    #[must_use]
    pub fn allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why, for the log alone.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The body of the answer. A problem on our side says nothing beyond its type.
    pub(crate) fn view(&self) -> ProblemView {
        let Row { title, status, .. } = self.kind.row();
        ProblemView {
            kind: self.kind.uri(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self
                .detail
                .as_deref()
                .filter(|_| !status.is_server_error())
                .map(str::to_owned),
            instance: request::current().map(|context| format!("urn:trace:{}", context.trace_id())),
            errors: (!self.errors.is_empty()).then(|| self.errors.clone()),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_seconds.or(self.kind.retry_after_seconds()) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        if self.status_code() == StatusCode::UPGRADE_REQUIRED {
            response.insert_header((header::UPGRADE, "websocket"));
            response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
        }
        if self.kind == Kind::UnsupportedCoding {
            // What is taken instead (RFC 9110, section 15.5.16).
            response.insert_header((header::ACCEPT_ENCODING, "identity"));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"fairlead\""));
        }
        let body = serde_json::to_vec(&self.view()).expect("a problem is plain data");
        response.body(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.slug())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| &**cause as &(dyn Error + 'static))
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("kind", &self.kind)
            .field("detail", &self.detail)
            .field("errors", &self.errors)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Turns a field's name (`agent.rating`) into a JSON pointer (RFC 6901) below `parent`.
pub(crate) fn pointer(parent: &str, field: &str) -> String {
    let mut pointer = parent.to_owned();
    for part in field.split('.').filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::Value;

    use super::*;

    async fn body(problem: Problem) -> Value {
        let bytes = to_bytes(problem.error_response().into_body()).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_field_becomes_a_json_pointer() {
        assert_eq!(pointer("", "email"), "/email");
        assert_eq!(pointer("/leads/3", "agent.rating"), "/leads/3/agent/rating");
        assert_eq!(pointer("", "customFields.a/b~c"), "/customFields/a~1b~0c");
        assert_eq!(pointer("", ""), "");
    }

    #[actix_web::test]
    async fn a_problem_on_our_side_tells_nothing_but_its_type() {
        let problem = Problem::server(Kind::Internal, std::io::Error::other("password of the database"));

        assert_eq!(
            body(problem).await,
            serde_json::json!({
                "type": "https://fairlead.dev/problems/internal-error",
                "title": "Internal error",
                "status": 500,
            })
        );
    }

    #[actix_web::test]
    async fn each_invalid_value_is_named() {
        let problem = Problem::invalid(Invalid::field(
            "agent.rating",
            "must be a whole number from 0 to 100",
        ));

        let body = body(problem).await;

        assert_eq!(
            body["detail"],
            "/agent/rating: must be a whole number from 0 to 100"
        );
        assert_eq!(body["errors"][0]["pointer"], "/agent/rating");
    }
}
