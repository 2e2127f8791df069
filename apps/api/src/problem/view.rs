use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// A problem as it is sent (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub struct ProblemView {
    /// Which problem type it is; every type is described at `/docs/problems`.
    #[serde(rename = "type")]
    #[schema(example = "https://fairlead.dev/problems/not-found")]
    pub kind: String,
    /// The type in words.
    #[schema(example = "Not found")]
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What is wrong with this request; absent when the fault is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "there is nothing of this id")]
    pub detail: Option<String>,
    /// The trace of this request, to be named in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736")]
    pub instance: Option<String>,
    /// Each value that cannot be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<InvalidValueView>>,
}

/// One value that cannot be accepted: in the body (`pointer`) or in the query or a header (`parameter`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InvalidValue, title = "InvalidValue")]
pub struct InvalidValueView {
    /// JSON pointer (RFC 6901) into the body; empty for the body as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/email")]
    pub pointer: Option<String>,
    /// The name of the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "limit")]
    pub parameter: Option<String>,
    /// What is wrong, and what would be right.
    #[schema(example = "must be an e-mail address such as ann@example.com")]
    pub detail: String,
}

impl InvalidValueView {
    /// A value of the body.
    pub fn at(pointer: String, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer),
            parameter: None,
            detail: detail.into(),
        }
    }

    /// A parameter of the query, or a header.
    pub fn parameter(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: Some(parameter.into()),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for InvalidValueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_deref().or(self.parameter.as_deref()) {
            Some("") | None => f.write_str(&self.detail),
            Some(place) => write!(f, "{place}: {}", self.detail),
        }
    }
}
