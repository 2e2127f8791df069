use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use fairlead_domain::idempotency::KeptAnswer;
use serde::{Deserialize, Serialize};

use crate::conditional::EntityTag;
use crate::idempotency::REPLAYED;

/// The answer to a request that made something: 201 with `Location`, `ETag` and the thing itself.
#[derive(Debug)]
pub struct Created {
    body: Vec<u8>,
}

/// What the headers are made of.
#[derive(Debug, Deserialize)]
struct Head {
    id: uuid::Uuid,
    version: Option<i64>,
}

impl Created {
    pub const STATUS: StatusCode = StatusCode::CREATED;

    pub fn new(view: &impl Serialize) -> Self {
        Self {
            body: serde_json::to_vec(view).expect("views are plain data with string keys"),
        }
    }

    /// What is kept under an idempotency key.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// `collection` is the path below which the new thing is found: `/api/v1/carriers`.
    pub fn respond(self, collection: &str) -> HttpResponse {
        let mut response = HttpResponse::build(Self::STATUS);
        response.content_type("application/json");
        if let Ok(Head { id, version }) = serde_json::from_slice(&self.body) {
            response.insert_header((header::LOCATION, format!("{collection}/{id}")));
            if let Some(version) = version {
                response.insert_header((header::ETAG, EntityTag::version(version).quoted()));
            }
        }
        response.body(self.body)
    }

    /// Answers a repeated request as the first one was.
    pub fn replay(kept: KeptAnswer, collection: &str) -> HttpResponse {
        let mut response = Self { body: kept.body }.respond(collection);
        response.headers_mut().insert(
            header::HeaderName::from_static(REPLAYED),
            header::HeaderValue::from_static("true"),
        );
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_tell_where_the_new_thing_is() {
        let id = "01934f6e-7b1a-7cc3-98a4-0242ac120002";

        let response = Created::new(&serde_json::json!({"id": id, "version": 1})).respond("/api/v1/carriers");

        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(
            response.headers().get("location").unwrap(),
            format!("/api/v1/carriers/{id}").as_str()
        );
        assert_eq!(response.headers().get("etag").unwrap(), "\"1\"");
    }
}
