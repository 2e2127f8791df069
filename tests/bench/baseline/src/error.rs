use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not answered as asked.
pub enum AppError {
    Unauthorized,
    NotFound,
    Invalid(String),
    Conflict,
    Internal(anyhow::Error),
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "not authenticated".to_owned()),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Self::Invalid(detail) => (StatusCode::UNPROCESSABLE_ENTITY, detail),
            Self::Conflict => (StatusCode::CONFLICT, "the key was used before".to_owned()),
            Self::Internal(error) => {
                eprintln!("error: {error:#}");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned())
            }
        };
        (status, Json(json!({ "error": detail }))).into_response()
    }
}

impl<E: Into<anyhow::Error>> From<E> for AppError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}
