//! `Idempotency-Key`: a repeated request is answered as the first one was.
//!
//! Every operation that changes rows of a tenant takes a key; `without` names the others, with the reason. The key is
//! claimed before anything is done and the answer kept behind it, both in the transaction of the effect: so there is an
//! answer if and only if there is an effect. What fails keeps nothing, and may be tried again under its key.

mod answer;
mod keyed;
pub(crate) mod without;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::access::Actor;
use fairlead_domain::idempotency::{Answer, KeptAnswer};
use fairlead_domain::store::UnitOfWork;
use sha2::Digest as _;
use time::Duration;
use uuid::Uuid;

pub use answer::WriteAnswer;
pub(crate) use keyed::Begun;

use crate::json::request_digest;
use crate::problem::{Kind, Problem};

/// The header that carries the key.
pub const HEADER: &str = "idempotency-key";
/// Says that an answer is that of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The most characters of a key.
pub const MAX_LENGTH: usize = 255;
/// The most bytes of an answer that is kept.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;
/// How long an answer is kept.
pub const LIFETIME: Duration = Duration::HOUR.saturating_mul(24);

/// The key that came with a request, if one did.
#[derive(Debug)]
pub struct IdempotencyKey(Option<Given>);

#[derive(Debug)]
struct Given {
    key: String,
    /// Of the request, as if it had no body.
    bare_hash: [u8; 32],
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut given = request.headers().get_all(HEADER);
        ready(match (given.next(), given.next()) {
            (None, _) => Ok(Self(None)),
            (Some(key), None) => parse(key.as_bytes()).map(|key| {
                let bare_hash = request_digest(request).finalize().into();
                Self(Some(Given { key, bare_hash }))
            }),
            (Some(_), Some(_)) => Err(malformed()),
        })
    }
}

impl IdempotencyKey {
    /// The key of a question of ours that is answered once: none that a request can have, as those have no blank.
    pub(crate) fn of_question(question: Uuid) -> Self {
        Self(Some(Given {
            key: format!("question {question}"),
            bare_hash: [0; 32],
        }))
    }

    /// Whether the request has a key.
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// What tells requests apart that have no body.
    pub(crate) fn without_body(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |given| &given.bare_hash)
    }

    /// Claims the key for this unit of work, or returns what the first request with it was answered.
    ///
    /// `request_hash` tells requests apart: see [`JsonBody`](crate::json::JsonBody).
    pub async fn claim(
        &self,
        uow: &mut dyn UnitOfWork,
        actor: Actor,
        request_hash: &[u8],
    ) -> Result<Option<WriteAnswer>, Problem> {
        let kept = self.ask(uow, actor, request_hash).await?;
        kept.map(|kept| replay(kept, request_hash)).transpose()
    }

    /// The same, with the answer as it is kept.
    async fn ask(
        &self,
        uow: &mut dyn UnitOfWork,
        actor: Actor,
        request_hash: &[u8],
    ) -> Result<Option<KeptAnswer>, Problem> {
        let Some(given) = &self.0 else { return Ok(None) };
        let expires_at = uow.now() + LIFETIME;
        let keys = uow.idempotency_keys();
        Ok(keys.claim(actor, &given.key, request_hash, expires_at).await?)
    }

    /// What the first request with the key was answered, if there was one that has ended; whether this one is the same is
    /// for [`replay`] to say. Claims nothing.
    pub async fn find(&self, uow: &mut dyn UnitOfWork, actor: Actor) -> Result<Option<KeptAnswer>, Problem> {
        match &self.0 {
            Some(given) => Ok(uow.idempotency_keys().find(actor, &given.key).await?),
            None => Ok(None),
        }
    }

    /// Keeps the answer, so that it becomes durable together with what the request has done.
    pub async fn keep(
        &self,
        uow: &mut dyn UnitOfWork,
        actor: Actor,
        answer: &WriteAnswer,
    ) -> Result<(), Problem> {
        if let Some(given) = &self.0 {
            let answer = answer.answer();
            check_size(answer)?;
            uow.idempotency_keys().keep(actor, &given.key, answer).await?;
        }
        Ok(())
    }
}

/// Answers as the first request with the key was answered, where this one is the same.
pub fn replay(kept: KeptAnswer, request_hash: &[u8]) -> Result<WriteAnswer, Problem> {
    if kept.request_hash == request_hash {
        Ok(WriteAnswer::replayed(kept.answer))
    } else {
        Err(Problem::client(
            Kind::IdempotencyKeyReused,
            "the idempotency key stands for another request: another path, query or body",
        ))
    }
}

fn check_size(answer: &Answer) -> Result<(), Problem> {
    let bytes = answer.body.len();
    if bytes <= MAX_ANSWER_BYTES {
        return Ok(());
    }
    Err(Problem::client(
        Kind::InvalidInput,
        format!(
            "nothing was done: its answer would have {bytes} bytes, and of one that is kept under an idempotency key there \
             are {MAX_ANSWER_BYTES} at the most; send less at a time"
        ),
    ))
}

fn parse(key: &[u8]) -> Result<String, Problem> {
    let fits = (1..=MAX_LENGTH).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !fits {
        return Err(malformed());
    }
    String::from_utf8(key.to_vec()).map_err(|_| malformed())
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        format!("Idempotency-Key must be given once, with 1 to {MAX_LENGTH} visible ASCII characters"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        assert_eq!(parse(b"8e03978e-40d5-43dd").unwrap(), "8e03978e-40d5-43dd");
        assert!(parse(&[b'k'; 255]).is_ok());
        for refused in [&b""[..], b"two words", b"tab\t", "ä".as_bytes(), &[b'k'; 256]] {
            assert_eq!(parse(refused).unwrap_err().kind(), Kind::MalformedRequest);
        }
    }

    #[test]
    fn an_answer_that_is_kept_has_bounded_size() {
        let of_length = |length| Answer {
            status: 200,
            etag: None,
            location: None,
            body: vec![b'x'; length],
            is_sealed: false,
        };

        assert!(check_size(&of_length(MAX_ANSWER_BYTES)).is_ok());
        let refused = check_size(&of_length(MAX_ANSWER_BYTES + 1)).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidInput);
    }
}
