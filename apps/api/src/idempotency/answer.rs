use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use fairlead_domain::idempotency::Answer;
use serde::{Deserialize, Serialize};

use super::REPLAYED;
use crate::conditional::EntityTag;

/// The answer to a write: what can be kept under an idempotency key and given again.
#[derive(Debug)]
pub struct WriteAnswer {
    answer: Answer,
    /// Nobody on the way may keep it.
    tells_secret: bool,
    replayed: bool,
}

/// What the headers of a 201 or 202 are made of.
#[derive(Debug, Deserialize)]
struct Head {
    id: uuid::Uuid,
}

impl WriteAnswer {
    /// 201, with the thing that was made; `collection` is the path below which it is found: `/api/v1/carriers`.
    pub fn created(collection: &str, tag: &EntityTag, view: &impl Serialize) -> Self {
        Self::new(StatusCode::CREATED, view)
            .found_in(collection)
            .tagged(tag)
    }

    /// 202, with what was queued, found below `collection`.
    pub fn accepted(collection: &str, view: &impl Serialize) -> Self {
        Self::new(StatusCode::ACCEPTED, view).found_in(collection)
    }

    /// 200, with what was done.
    pub fn done(view: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, view)
    }

    /// 200, with a thing as it is now.
    pub fn changed(tag: &EntityTag, view: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, view).tagged(tag)
    }

    /// 204: there is nothing to be shown any more.
    pub fn gone() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// A status with nothing behind it.
    pub fn empty(status: StatusCode) -> Self {
        Self::with_body(status, Vec::new())
    }

    /// This status, with `view`, and found nowhere else.
    pub fn new(status: StatusCode, view: &impl Serialize) -> Self {
        let body = serde_json::to_vec(view).expect("views are plain data with string keys");
        Self::with_body(status, body)
    }

    fn with_body(status: StatusCode, body: Vec<u8>) -> Self {
        Self {
            answer: Answer {
                status: status.as_u16(),
                etag: None,
                location: None,
                body,
                is_sealed: false,
            },
            tells_secret: false,
            replayed: false,
        }
    }

    fn found_in(mut self, collection: &str) -> Self {
        if let Ok(Head { id }) = serde_json::from_slice(&self.answer.body) {
            self.answer.location = Some(format!("{collection}/{id}"));
        }
        self
    }

    /// Where the thing is found.
    #[must_use]
    pub fn at(mut self, location: String) -> Self {
        self.answer.location = Some(location);
        self
    }

    #[must_use]
    pub fn tagged(mut self, tag: &EntityTag) -> Self {
        self.answer.etag = tag.quoted(None).to_str().ok().map(str::to_owned);
        self
    }

    /// The answer tells a secret: caches keep nothing of it, and what is kept under a key is sealed.
    #[must_use]
    pub fn telling_secret(mut self) -> Self {
        self.tells_secret = true;
        self
    }

    /// What the first request under a key was answered; `answer` is open.
    pub fn replayed(answer: Answer) -> Self {
        Self {
            tells_secret: answer.is_sealed,
            answer,
            replayed: true,
        }
    }

    /// Whether it is that of an earlier request.
    pub(crate) fn is_replayed(&self) -> bool {
        self.replayed
    }

    pub(super) fn tells_secret(&self) -> bool {
        self.tells_secret
    }

    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    pub fn respond(self) -> HttpResponse {
        let Answer {
            status,
            etag,
            location,
            body,
            is_sealed: _,
        } = self.answer;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        if !body.is_empty() {
            response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        if self.tells_secret {
            response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        }
        let told: [(HeaderName, Option<String>); 2] = [(header::ETAG, etag), (header::LOCATION, location)];
        for (name, value) in told {
            if let Some(value) = value {
                response.insert_header((name, value));
            }
        }
        if self.replayed {
            response.insert_header((REPLAYED, HeaderValue::from_static("true")));
        }
        if body.is_empty() {
            response.finish()
        } else {
            response.body(Bytes::from(body))
        }
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Revision;

    use super::*;

    const ID: &str = "01934f6e-7b1a-7cc3-98a4-0242ac120002";

    fn tag() -> EntityTag {
        EntityTag::of(Revision {
            version: 1,
            stamp: 42,
        })
    }

    #[test]
    fn the_headers_tell_where_the_new_thing_is() {
        let view = serde_json::json!({"id": ID, "version": 1});

        let response = WriteAnswer::created("/api/v1/carriers", &tag(), &view).respond();

        assert_eq!(response.status(), StatusCode::CREATED);
        let location = response.headers().get("location").unwrap();
        assert_eq!(location, format!("/api/v1/carriers/{ID}").as_str());
        assert_eq!(response.headers().get("etag").unwrap(), "\"1.@2a\"");
        assert!(!response.headers().contains_key(REPLAYED));
    }

    #[test]
    fn a_repeated_request_is_answered_as_the_first_one_was() {
        let tag = tag().variant("3");
        let first = WriteAnswer::changed(&tag, &serde_json::json!({"id": ID})).at("/there".to_owned());
        let kept = first.answer().clone();

        let (first, again) = (first.respond(), WriteAnswer::replayed(kept).respond());

        assert_eq!(again.status(), first.status());
        for name in ["etag", "location", "content-type"] {
            assert_eq!(again.headers().get(name), first.headers().get(name), "{name}");
            assert!(again.headers().contains_key(name), "{name}");
        }
        assert_eq!(again.headers().get(REPLAYED).unwrap(), "true");
    }

    #[test]
    fn an_answer_without_a_body_has_no_media_type() {
        let response = WriteAnswer::gone().respond();

        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(!response.headers().contains_key("content-type"));
    }

    #[test]
    fn a_secret_is_kept_by_nobody_on_the_way_also_when_it_is_told_again() {
        let first = WriteAnswer::done(&serde_json::json!({"key": "tk_1"})).telling_secret();
        let kept = Answer {
            is_sealed: true,
            ..first.answer().clone()
        };

        for response in [first.respond(), WriteAnswer::replayed(kept).respond()] {
            assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        }
    }
}
