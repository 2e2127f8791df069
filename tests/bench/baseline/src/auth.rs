use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;
use crate::state::AppState;

const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Who asks, by a token that was verified.
#[derive(Serialize, Deserialize)]
pub struct Claims {
    pub sub: Uuid,
    pub tid: Uuid,
    exp: u64,
}

impl FromRequestParts<AppState> for Claims {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, AppError> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(AppError::Unauthorized)?;
        decode(token, &state.key, &Validation::new(Algorithm::HS256))
            .map(|token| token.claims)
            .map_err(|_| AppError::Unauthorized)
    }
}

/// Makes a token for a day.
pub fn issue(secret: &str, tenant: Uuid, user: Uuid) -> anyhow::Result<String> {
    let claims = Claims {
        sub: user,
        tid: tenant,
        exp: (SystemTime::now().duration_since(UNIX_EPOCH)? + LIFETIME).as_secs(),
    };
    Ok(encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )?)
}
