use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use fairlead_domain::identity::{LoginThrottle, ThrottleKey, ThrottleLimit};
use fairlead_domain::store::StoreError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::Row as _;
use time::OffsetDateTime;

use super::PgSystemUnitOfWork;
use crate::error::SqlError;

const LOCKED_UNTIL: &str = "
    SELECT MAX(locked_until) FROM login_failures WHERE key = ANY ($1) AND locked_until > $2";

// $2 now, $3 when a window that opens now ends, $4 until when a lock lasts that begins now, $5 the limit.
const NOTE_FAILURE: &str = "
    INSERT INTO login_failures AS f (key, failures, window_ends_at, locked_until)
    VALUES ($1, 1, $3, CASE WHEN $5 <= 1 THEN $4 END)
    ON CONFLICT (key) DO UPDATE
    SET failures       = CASE WHEN f.window_ends_at <= $2 THEN 1 ELSE f.failures + 1 END,
        window_ends_at = CASE WHEN f.window_ends_at <= $2 THEN $3 ELSE f.window_ends_at END,
        locked_until   = CASE
                             WHEN CASE WHEN f.window_ends_at <= $2 THEN 1 ELSE f.failures + 1 END >= $5 THEN $4
                             ELSE f.locked_until
                         END";

const FORGET: &str = "DELETE FROM login_failures WHERE key = ANY ($1)";

/// Hashes what failures are counted under, so that no address and no e-mail is stored.
#[derive(Clone)]
pub(super) struct ThrottleKeys(Hmac<Sha256>);

impl fmt::Debug for ThrottleKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThrottleKeys(…)")
    }
}

impl ThrottleKeys {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&secret).expect("HMAC takes a key of any length"))
    }

    fn hash(&self, key: &ThrottleKey) -> Vec<u8> {
        let mut hmac = self.0.clone();
        match key {
            ThrottleKey::Account(email) => {
                hmac.update(b"account\0");
                hmac.update(email.as_bytes());
            }
            ThrottleKey::Address(address) => {
                hmac.update(b"address\0");
                hmac.update(&network(*address));
            }
        }
        hmac.finalize().into_bytes().to_vec()
    }

    fn hashes(&self, keys: &[ThrottleKey]) -> Vec<Vec<u8>> {
        keys.iter().map(|key| self.hash(key)).collect()
    }
}

/// The address, or of IPv6 the /64: whoever has one address there has them all.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

#[async_trait]
impl LoginThrottle for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.login_throttle.locked_until", skip_all)]
    async fn locked_until(&mut self, keys: &[ThrottleKey]) -> Result<Option<OffsetDateTime>, StoreError> {
        let hashes = self.throttle_keys.hashes(keys);
        let row = self
            .connection
            .sql(LOCKED_UNTIL)
            .bind(hashes)
            .bind(self.now)
            .fetch_one()
            .await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.login_throttle.note_failure", skip_all)]
    async fn note_failure(&mut self, limits: &[(ThrottleKey, ThrottleLimit)]) -> Result<(), StoreError> {
        let mut limits: Vec<(Vec<u8>, ThrottleLimit)> = limits
            .iter()
            .map(|(key, limit)| (self.throttle_keys.hash(key), *limit))
            .collect();
        // In one order everywhere, so that two failures that share keys do not wait for each other.
        limits.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        for (key, limit) in limits {
            self.connection
                .sql(NOTE_FAILURE)
                .bind(key)
                .bind(self.now)
                .bind(self.now + limit.window)
                .bind(self.now + limit.lockout)
                .bind(i32::try_from(limit.failures).unwrap_or(i32::MAX))
                .execute()
                .await?;
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.login_throttle.forget", skip_all)]
    async fn forget(&mut self, keys: &[ThrottleKey]) -> Result<(), StoreError> {
        self.connection
            .sql(FORGET)
            .bind(self.throttle_keys.hashes(keys))
            .execute()
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ThrottleKey {
        ThrottleKey::Address(text.parse().unwrap())
    }

    #[test]
    fn keys_differ_by_kind_value_and_installation() {
        let keys = ThrottleKeys::new([1; 32]);
        let other = ThrottleKeys::new([2; 32]);
        let account = ThrottleKey::Account("ann@example.com".to_owned());

        assert_eq!(keys.hash(&account), keys.hash(&account));
        assert_ne!(
            keys.hash(&account),
            keys.hash(&ThrottleKey::Account("bob@example.com".to_owned()))
        );
        assert_ne!(keys.hash(&account), other.hash(&account));
        assert_ne!(
            keys.hash(&ThrottleKey::Account("192.0.2.1".to_owned())),
            keys.hash(&address("192.0.2.1"))
        );
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let keys = ThrottleKeys::new([1; 32]);

        assert_eq!(
            keys.hash(&address("2001:db8::1")),
            keys.hash(&address("2001:db8::ffff:1"))
        );
        assert_ne!(
            keys.hash(&address("2001:db8::1")),
            keys.hash(&address("2001:db8:0:1::1"))
        );
        assert_ne!(keys.hash(&address("192.0.2.1")), keys.hash(&address("192.0.2.2")));
        assert_eq!(
            keys.hash(&address("192.0.2.1")),
            keys.hash(&address("::ffff:192.0.2.1"))
        );
    }
}
