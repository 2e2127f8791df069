use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use fairlead_domain::idempotency::KeptAnswer;
use serde::Serialize;

use crate::idempotency::REPLAYED;

/// A 200 that can be kept under an idempotency key.
#[derive(Debug)]
pub(crate) struct Kept {
    body: Vec<u8>,
}

impl Kept {
    pub(crate) const STATUS: StatusCode = StatusCode::OK;

    pub(crate) fn new(view: &impl Serialize) -> Self {
        Self {
            body: serde_json::to_vec(view).expect("views are plain data with string keys"),
        }
    }

    /// What is kept under an idempotency key.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn respond(self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("application/json")
            .body(self.body)
    }

    /// Answers a repeated request as the first one was.
    pub(crate) fn replay(kept: KeptAnswer) -> HttpResponse {
        let mut response = Self { body: kept.body }.respond();
        response.headers_mut().insert(
            header::HeaderName::from_static(REPLAYED),
            header::HeaderValue::from_static("true"),
        );
        response
    }
}
