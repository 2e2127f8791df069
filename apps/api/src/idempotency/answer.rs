use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use fairlead_domain::idempotency::KeptAnswer;
use serde::{Deserialize, Serialize};

use super::REPLAYED;
use crate::conditional::EntityTag;

/// The answer to a write: what can be kept under an idempotency key and given again.
#[derive(Debug)]
pub struct WriteAnswer {
    status: StatusCode,
    body: Bytes,
    replayed: bool,
}

/// What the headers of a 201 or 202 are made of.
#[derive(Debug, Deserialize)]
struct Head {
    id: uuid::Uuid,
    version: Option<i64>,
}

impl WriteAnswer {
    /// 201, with the thing that was made.
    pub fn created(view: &impl Serialize) -> Self {
        Self::new(StatusCode::CREATED, view)
    }

    /// 202, with the operation that was queued.
    pub fn accepted(view: &impl Serialize) -> Self {
        Self::new(StatusCode::ACCEPTED, view)
    }

    /// 200, with what was done.
    pub fn done(view: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, view)
    }

    fn new(status: StatusCode, view: &impl Serialize) -> Self {
        let body = serde_json::to_vec(view).expect("views are plain data with string keys");
        Self {
            status,
            body: body.into(),
            replayed: false,
        }
    }

    /// What the first request under a key was answered.
    pub fn replayed(kept: KeptAnswer) -> Self {
        Self {
            status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK),
            body: kept.body.into(),
            replayed: true,
        }
    }

    /// Whether it is that of an earlier request.
    pub(crate) fn is_replayed(&self) -> bool {
        self.replayed
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// As [`conditional::changed`](crate::conditional::changed) does: with the tag of the version that the body tells.
    pub fn respond_changed(self) -> HttpResponse {
        #[derive(Deserialize)]
        struct Changed {
            version: i64,
        }
        let version = serde_json::from_slice(&self.body).map(|Changed { version }| version);
        // A collection is named by what is new alone.
        let mut response = self.respond("");
        if let Ok(version) = version {
            let tag = EntityTag::version(version).quoted(None);
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }

    /// `collection` is the path below which a new thing is found: `/api/v1/carriers`.
    pub fn respond(self, collection: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        if matches!(self.status, StatusCode::CREATED | StatusCode::ACCEPTED)
            && let Ok(Head { id, version }) = serde_json::from_slice(&self.body)
        {
            response.insert_header((header::LOCATION, format!("{collection}/{id}")));
            if let Some(version) = version {
                response.insert_header((header::ETAG, EntityTag::version(version).quoted(None)));
            }
        }
        if self.replayed {
            response.insert_header((REPLAYED, HeaderValue::from_static("true")));
        }
        response.body(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01934f6e-7b1a-7cc3-98a4-0242ac120002";

    #[test]
    fn the_headers_tell_where_the_new_thing_is() {
        let answer = WriteAnswer::created(&serde_json::json!({"id": ID, "version": 1}));

        let response = answer.respond("/api/v1/carriers");

        assert_eq!(response.status(), StatusCode::CREATED);
        let location = response.headers().get("location").unwrap();
        assert_eq!(location, format!("/api/v1/carriers/{ID}").as_str());
        assert_eq!(response.headers().get("etag").unwrap(), "\"1\"");
        assert!(!response.headers().contains_key(REPLAYED));
    }

    #[test]
    fn a_repeated_request_is_answered_as_the_first_one_was() {
        let kept = KeptAnswer {
            request_hash: Vec::new(),
            status: 201,
            body: format!(r#"{{"id":"{ID}","version":1}}"#).into_bytes(),
        };

        let response = WriteAnswer::replayed(kept).respond("/api/v1/carriers");

        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers().get("etag").unwrap(), "\"1\"");
        assert_eq!(response.headers().get(REPLAYED).unwrap(), "true");
    }
}
