//! A repeated request with the same key is answered as the first one was.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::access::Actor;
use crate::store::StoreError;

/// What was kept of the first request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 over method, path and body of the first request.
    pub request_hash: Vec<u8>,
    pub status: u16,
    pub body: Vec<u8>,
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
    async fn keep(&mut self, actor: Actor, key: &str, status: u16, body: &[u8]) -> Result<(), StoreError>;
}
