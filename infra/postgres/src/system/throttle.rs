use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use fairlead_domain::identity::{LoginThrottle, ThrottleKey, ThrottleLimit};
use fairlead_domain::store::StoreError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::OffsetDateTime;

use super::PgSystemUnitOfWork;
use crate::error::SqlError;

// Attempts with a key in common wait here for each other, in one order everywhere so that none waits in a circle. A key
// that was not counted under yet gets a window that is over.
const HOLD: &str = "
    INSERT INTO login_failures AS f (key, failures, window_ends_at)
    SELECT k.key, 0, $2 FROM unnest($1::bytea[]) AS k (key) ORDER BY k.key
    ON CONFLICT (key) DO UPDATE SET failures = f.failures
    RETURNING CASE WHEN f.locked_until > $2 THEN f.locked_until END";

// $2 now, $3 when a window that opens now ends, $4 until when a lock lasts that begins now, $5 the limit. The row is
// held and not locked out, so a lock that it has is over.
const COUNT_ATTEMPT: &str = "
    UPDATE login_failures
    SET failures       = CASE
                             WHEN window_ends_at <= $2 OR locked_until IS NOT NULL THEN 1
                             WHEN failures < $5 THEN failures + 1
                             ELSE failures
                         END,
        window_ends_at = CASE
                             WHEN window_ends_at <= $2 OR locked_until IS NOT NULL THEN $3
                             ELSE window_ends_at
                         END,
        locked_until   = CASE
                             WHEN window_ends_at <= $2 OR locked_until IS NOT NULL THEN NULL
                             WHEN failures >= $5 THEN $4
                         END
    WHERE key = $1
    RETURNING locked_until";

// Holds the keys as HOLD does, so that others can be forgotten after it without waiting in a circle.
const GIVE_BACK: &str = "
    INSERT INTO login_failures AS f (key, failures, window_ends_at)
    SELECT k.key, 0, $2 FROM unnest($1::bytea[]) AS k (key) ORDER BY k.key
    ON CONFLICT (key) DO UPDATE SET failures = GREATEST(f.failures - 1, 0), locked_until = NULL";

const FORGET: &str = "DELETE FROM login_failures WHERE key = ANY ($1)";

/// Hashes what attempts are counted under, so that no address and no e-mail is stored.
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
            ThrottleKey::Account { email, tenant: None } => {
                hmac.update(b"account\0");
                hmac.update(email.as_bytes());
            }
            ThrottleKey::Account {
                email,
                tenant: Some(slug),
            } => {
                hmac.update(b"account of tenant\0");
                // The length tells where the one ends and the other begins.
                hmac.update(&(email.len() as u64).to_be_bytes());
                hmac.update(email.as_bytes());
                hmac.update(slug.as_bytes());
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

impl PgSystemUnitOfWork {
    /// Keeps the keys from all others until the unit of work ends. Returns until when one is locked out, if any is.
    async fn hold(&mut self, keys: Vec<Vec<u8>>) -> Result<Option<OffsetDateTime>, StoreError> {
        let rows = self
            .connection
            .sql(HOLD)
            .bind(keys)
            .bind(self.now)
            .fetch_all()
            .await?;
        let mut latest = None;
        for row in rows {
            let locked: Option<OffsetDateTime> = row.try_get(0).map_err(SqlError::from)?;
            latest = latest.max(locked);
        }
        Ok(latest)
    }

    async fn uncount(&mut self, keys: Vec<Vec<u8>>) -> Result<(), StoreError> {
        self.connection
            .sql(GIVE_BACK)
            .bind(keys)
            .bind(self.now)
            .execute()
            .await?;
        Ok(())
    }
}

#[async_trait]
impl LoginThrottle for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.login_throttle.count_attempt", skip_all)]
    async fn count_attempt(
        &mut self,
        limits: &[(ThrottleKey, ThrottleLimit)],
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let limits: Vec<(Vec<u8>, ThrottleLimit)> = limits
            .iter()
            .map(|(key, limit)| (self.throttle_keys.hash(key), *limit))
            .collect();
        let locked_before = self
            .hold(limits.iter().map(|(key, _)| key.clone()).collect())
            .await?;
        if locked_before.is_some() {
            return Ok(locked_before);
        }
        let mut locked_now = None;
        let mut counted = Vec::new();
        for (key, limit) in limits {
            let row = self
                .connection
                .sql(COUNT_ATTEMPT)
                .bind(key.as_slice())
                .bind(self.now)
                .bind(self.now + limit.window)
                .bind(self.now + limit.lockout)
                .bind(i32::try_from(limit.failures).unwrap_or(i32::MAX))
                .fetch_one()
                .await?;
            let locked: Option<OffsetDateTime> = row.try_get(0).map_err(SqlError::from)?;
            if locked.is_none() {
                counted.push(key);
            }
            locked_now = locked_now.max(locked);
        }
        if locked_now.is_some() {
            self.uncount(counted).await?;
        }
        Ok(locked_now)
    }

    #[tracing::instrument(level = "debug", name = "db.login_throttle.give_back", skip_all)]
    async fn give_back(&mut self, keys: &[ThrottleKey]) -> Result<(), StoreError> {
        let hashes = self.throttle_keys.hashes(keys);
        self.uncount(hashes).await
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

    fn account(email: &str, tenant: Option<&str>) -> ThrottleKey {
        ThrottleKey::Account {
            email: email.to_owned(),
            tenant: tenant.map(str::to_owned),
        }
    }

    fn address(text: &str) -> ThrottleKey {
        ThrottleKey::Address(text.parse().unwrap())
    }

    #[test]
    fn keys_differ_by_kind_value_and_installation() {
        let keys = ThrottleKeys::new([1; 32]);
        let other = ThrottleKeys::new([2; 32]);
        let ann = account("ann@example.com", None);
        let in_acme = account("ann@example.com", Some("acme"));

        assert_eq!(keys.hash(&ann), keys.hash(&ann));
        assert_ne!(keys.hash(&ann), keys.hash(&account("bob@example.com", None)));
        assert_ne!(keys.hash(&ann), other.hash(&ann));
        assert_ne!(keys.hash(&ann), keys.hash(&in_acme));
        assert_ne!(
            keys.hash(&in_acme),
            keys.hash(&account("ann@example.com", Some("umbrella")))
        );
        assert_ne!(
            keys.hash(&in_acme),
            keys.hash(&account("ann@example.coma", Some("cme")))
        );
        assert_ne!(
            keys.hash(&account("192.0.2.1", None)),
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
