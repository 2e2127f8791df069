use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use fairlead_domain::access::{Caller, OperatorPermit, VerifiedIdentity};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::{Aggregate, Recorded};
use fairlead_domain::identity::{
    AuthenticateError, RevokedSessions, TenantId, Verified, authenticate_access_token, authenticate_api_key,
    authenticate_operator,
};
use fairlead_domain::store::{CommitListener, StoreError};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::state::Services;

/// How many credentials are remembered; those used least go first. Each takes some 200 bytes.
const CAPACITY: u64 = 50_000;
/// For how long a good signature need not be checked again. A signing key that is taken away stops counting within it.
const TOKEN_LASTS: Duration = Duration::seconds(30);
/// For how long a key, or an operator's secret, need not be looked up again. One that another process revokes is still
/// accepted here for so long at the most; one revoked here is refused at once.
const RECORD_LASTS: Duration = Duration::seconds(5);
/// For how long a key counts that cannot be looked up, because the database is away. Nothing can be revoked meanwhile.
const OUTAGE_LASTS: Duration = Duration::minutes(10);

/// Credentials that were found good lately, so that they need not be verified with each request.
///
/// Kept by the SHA-256 of the credential: memory holds no secret.
#[derive(Clone, Debug)]
pub struct VerifiedCredentials {
    callers: Cache<Hash, Arc<Record<Caller>>>,
    operators: Cache<Hash, Arc<Record<OperatorPermit>>>,
    /// Goes up with each revocation, before the record goes.
    revocations: Arc<AtomicU64>,
}

type Hash = [u8; 32];

#[derive(Debug)]
struct Record<T> {
    who: T,
    /// Until when the record is taken at its word.
    fresh_until: OffsetDateTime,
    /// Until when it is taken for want of a better one.
    usable_until: OffsetDateTime,
}

impl Default for VerifiedCredentials {
    fn default() -> Self {
        let callers = Cache::builder()
            .max_capacity(CAPACITY)
            .support_invalidation_closures();
        Self {
            callers: callers.build(),
            operators: Cache::new(CAPACITY / 100),
            revocations: Arc::default(),
        }
    }
}

impl VerifiedCredentials {
    /// Establishes the caller from an access token.
    pub(super) fn by_token(&self, services: &Services, token: &str) -> Result<Caller, AuthenticateError> {
        let now = services.clock.now();
        let hash = hash(token);
        if let Some(record) = self.callers.get(&hash)
            && now < record.fresh_until
        {
            require_living(&*services.revoked, &record.who)?;
            return Ok(record.who.clone());
        }
        let verified = authenticate_access_token(&*services.tokens, &*services.revoked, token, now)?;
        let record = Record::new(verified, now, TOKEN_LASTS, Duration::ZERO);
        let caller = record.who.clone();
        self.callers.insert(hash, Arc::new(record));
        Ok(caller)
    }

    /// Establishes the caller from an API key.
    pub(super) async fn by_key(&self, services: &Services, key: &str) -> Result<Caller, AuthenticateError> {
        let lookup = authenticate_api_key(&*services.system, &*services.secrets, key);
        self.recorded(&self.callers, key, services.clock.now(), lookup)
            .await
    }

    /// Establishes an operator from its secret.
    pub(super) async fn by_operator_secret(
        &self,
        services: &Services,
        secret: &str,
    ) -> Result<OperatorPermit, AuthenticateError> {
        let lookup = authenticate_operator(&*services.system, &*services.secrets, secret);
        self.recorded(&self.operators, secret, services.clock.now(), lookup)
            .await
    }

    async fn recorded<T: Clone + Send + Sync + 'static>(
        &self,
        records: &Cache<Hash, Arc<Record<T>>>,
        credential: &str,
        now: OffsetDateTime,
        lookup: impl Future<Output = Result<Verified<T>, AuthenticateError>>,
    ) -> Result<T, AuthenticateError> {
        let hash = hash(credential);
        let known = records.get(&hash);
        if let Some(record) = &known
            && now < record.fresh_until
        {
            return Ok(record.who.clone());
        }
        let revocations = self.revocations.load(Ordering::SeqCst);
        match lookup.await {
            Ok(verified) => {
                let record = Record::new(verified, now, RECORD_LASTS, OUTAGE_LASTS);
                let who = record.who.clone();
                records.insert(hash, Arc::new(record));
                // Whoever revokes counts first and removes then: what was looked up before is removed here or there.
                if self.revocations.load(Ordering::SeqCst) != revocations {
                    records.invalidate(&hash);
                }
                Ok(who)
            }
            Err(AuthenticateError::Store(
                error @ (StoreError::Unavailable(_) | StoreError::Exhausted(_) | StoreError::TimedOut),
            )) => match known.filter(|record| now < record.usable_until) {
                Some(record) => Ok(record.who.clone()),
                None => Err(error.into()),
            },
            Err(error) => {
                records.invalidate(&hash);
                Err(error)
            }
        }
    }

    fn forget_key(&self, revoked: Uuid) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        let is_revoked = move |_: &Hash, record: &Arc<Record<Caller>>| match record.who.identity() {
            VerifiedIdentity::ApiKey { key, .. } => key.as_uuid() == revoked,
            VerifiedIdentity::User { .. } => false,
        };
        self.callers
            .invalidate_entries_if(is_revoked)
            .expect("the cache was built for it");
    }
}

/// A key that is revoked here is refused here as soon as that is committed.
#[async_trait]
impl CommitListener for VerifiedCredentials {
    async fn committed(&self, _: TenantId, recorded: &[Recorded], _: LogPosition) {
        for change in recorded {
            // Whatever has happened to a key, what is remembered of it may be wrong.
            if change.aggregate == Aggregate::ApiKey {
                self.forget_key(change.aggregate_id);
            }
        }
    }
}

impl<T> Record<T> {
    fn new(verified: Verified<T>, now: OffsetDateTime, lasts: Duration, outage: Duration) -> Self {
        let until = |moment: OffsetDateTime| verified.until.map_or(moment, |until| until.min(moment));
        Self {
            fresh_until: until(now + lasts),
            usable_until: until(now + lasts + outage),
            who: verified.who,
        }
    }
}

/// A session may have ended since its token was verified.
fn require_living(revoked: &dyn RevokedSessions, caller: &Caller) -> Result<(), AuthenticateError> {
    match caller.session() {
        Some(session) if revoked.contains(session) => Err(AuthenticateError::SessionEnded),
        _ => Ok(()),
    }
}

fn hash(credential: &str) -> Hash {
    Sha256::digest(credential.as_bytes()).into()
}
