//! A repeated request with the same key is answered as the first one was.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::access::Actor;
use crate::identity::TenantId;
use crate::store::StoreError;

/// What a write was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// As it stands in the header.
    pub etag: Option<String>,
    pub location: Option<String>,
    pub body: Vec<u8>,
    /// Whether `body` is what an [`AnswerSeal`] has made of it.
    pub is_sealed: bool,
}

/// What was kept of the first request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 over method, path, query and body of the first request.
    pub request_hash: Vec<u8>,
    pub answer: Answer,
}

/// The idempotency keys of one tenant.
#[async_trait]
pub trait IdempotencyKeys: Send {
    /// Claims a key for this unit of work, or returns what the first request was answered with.
    ///
    /// Waits while another transaction holds the same key: when that one commits its answer is returned, when it is
    /// undone the key is claimed. A key past `now` is forgotten first.
    async fn claim(
        &mut self,
        actor: Actor,
        key: &str,
        request_hash: &[u8],
        expires_at: OffsetDateTime,
    ) -> Result<Option<KeptAnswer>, StoreError>;

    /// What the first request with a key was answered, without claiming the key; `None` also while that is under way.
    async fn find(&mut self, actor: Actor, key: &str) -> Result<Option<KeptAnswer>, StoreError>;

    /// Keeps the answer under a key that this unit of work has claimed.
    async fn keep(&mut self, actor: Actor, key: &str, answer: &Answer) -> Result<(), StoreError>;
}

/// Hides answers that tell a secret from whoever reads where they are kept.
pub trait AnswerSeal: fmt::Debug + Send + Sync {
    /// Seals the body of an answer, so that it opens as the answer of `bearer` alone.
    fn seal(&self, body: &[u8], bearer: &KeyBearer<'_>) -> Vec<u8>;

    /// `None`: it was altered, is another's, or was sealed with another secret of the installation.
    fn open(&self, sealed: &[u8], bearer: &KeyBearer<'_>) -> Option<Vec<u8>>;
}

/// Who has given which key.
#[derive(Clone, Copy, Debug)]
pub struct KeyBearer<'a> {
    pub tenant: TenantId,
    pub actor: Actor,
    pub key: &'a str,
}

impl KeyBearer<'_> {
    /// Other bytes for each other bearer.
    pub fn to_bytes(&self) -> Vec<u8> {
        // An actor's name has no blank, and is followed by one.
        let mut bytes = self.tenant.as_uuid().as_bytes().to_vec();
        bytes.extend_from_slice(format!("{} {}", self.actor, self.key).as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Id;

    #[test]
    fn bearers_are_told_apart() {
        let id = |number| Uuid::from_u128(number);
        let bearer = |tenant, actor, key| {
            let tenant = Id::from_uuid(id(tenant));
            KeyBearer { tenant, actor, key }.to_bytes()
        };
        let ann = Actor::User(Id::from_uuid(id(7)));
        let machine = Actor::ApiKey(Id::from_uuid(id(7)));

        let all = [
            bearer(1, ann, "a"),
            bearer(2, ann, "a"),
            bearer(1, machine, "a"),
            bearer(1, ann, "b"),
            bearer(1, Actor::System, "a"),
        ];

        for (place, one) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|other| other != one), "{place}");
        }
    }
}
