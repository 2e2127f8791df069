use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use fairlead_domain::identity::{RevokedSessions, SessionId};
use time::OffsetDateTime;

/// The revoked sessions whose access tokens have not all expired, as this process knows them.
///
/// A unit of work of this process adds to them when it commits; those of others come by
/// [`PgSystemStore::spawn_refresh`](crate::PgSystemStore::spawn_refresh).
#[derive(Debug, Default)]
pub struct MemoryRevokedSessions {
    /// With the moment from which no access token of the session is good anyway.
    until: RwLock<HashMap<SessionId, OffsetDateTime>>,
}

impl MemoryRevokedSessions {
    pub(crate) fn add(&self, revocations: &[(SessionId, OffsetDateTime)]) {
        if !revocations.is_empty() {
            // A map of plain values is whole even if a thread died while it held the lock.
            self.until
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(revocations.iter().copied());
        }
    }

    pub(crate) fn forget_expired(&self, now: OffsetDateTime) {
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| now < *until);
    }
}

impl RevokedSessions for MemoryRevokedSessions {
    fn contains(&self, session: SessionId) -> bool {
        self.until
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&session)
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use time::Duration;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_revoked_session_is_remembered_until_its_tokens_are_over() {
        let revoked = MemoryRevokedSessions::default();
        let (ended, living) = (
            Id::from_uuid(Uuid::from_u128(1)),
            Id::from_uuid(Uuid::from_u128(2)),
        );
        let now = OffsetDateTime::UNIX_EPOCH;

        revoked.add(&[(ended, now + Duration::minutes(15))]);

        assert!(revoked.contains(ended));
        assert!(!revoked.contains(living));
        revoked.forget_expired(now + Duration::minutes(14));
        assert!(revoked.contains(ended));
        revoked.forget_expired(now + Duration::minutes(15));
        assert!(!revoked.contains(ended));
    }
}
