use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use fairlead_domain::access::{Caller, OperatorPermit, VerifiedIdentity};
use fairlead_domain::cache::{Changes, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::{Aggregate, Recorded};
use fairlead_domain::identity::{
    AuthenticateError, RevokedSessions, SecretKind, TenantId, Verified, authenticate_access_token,
    authenticate_api_key, authenticate_operator,
};
use fairlead_domain::store::{CommitListener, StoreError};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use tokio::time::timeout;
use uuid::Uuid;

use super::lookups::Lookups;
use crate::state::Services;

/// How many credentials are remembered; those used least go first. Each takes some 200 bytes.
const CAPACITY: u64 = 50_000;
/// For how long a good signature need not be checked again. A signing key that is taken away stops counting within it.
const TOKEN_LASTS: Duration = Duration::seconds(30);
/// For how long a key, or an operator's secret, need not be looked up again. One that another process revokes is still
/// accepted here for so long at the most while the database answers; one revoked here is refused at once, and one that
/// the other processes tell of as soon as that is heard.
const RECORD_LASTS: Duration = Duration::seconds(5);
/// For how long after it was looked up a key counts that cannot be looked up again, whatever the reason: no connection is
/// free, the database is too slow, or it fails. So one that is revoked meanwhile is refused within this time.
const UNASKED_LASTS: Duration = Duration::seconds(30);
/// The same while the primary takes no word from anybody, as its monitor finds. Nothing can be revoked meanwhile.
const OUTAGE_LASTS: Duration = Duration::minutes(10);
/// How long after a look-up that has failed the next one is tried, where the record still counts.
const ASK_AGAIN_AFTER: Duration = Duration::SECOND;
/// A look-up that takes longer is waited for only by those whose record counts no more.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

/// Credentials that were found good lately, so that they need not be verified with each request.
///
/// Kept by the SHA-256 of the credential: memory holds no secret.
#[derive(Clone, Debug)]
pub struct VerifiedCredentials {
    callers: Kept<Caller>,
    operators: Kept<OperatorPermit>,
    /// Goes up with each revocation, before the record goes.
    revocations: Arc<AtomicU64>,
    /// Tells of revocations by other processes.
    changes: Option<Arc<dyn Changes>>,
}

pub(super) type Hash = [u8; 32];

/// What is known of revocations at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Those of this process.
    here: u64,
    /// Whether others have told of changes to the tenant's keys.
    told: u64,
}

#[derive(Debug)]
struct Record<T> {
    who: T,
    /// Counts for as long as others tell of nothing else.
    told: u64,
    /// Until when the record is taken at its word, in milliseconds of the clock.
    fresh_until: AtomicI64,
    /// Until when it is taken for want of a better one.
    unasked_until: OffsetDateTime,
    /// The same while the primary is away.
    outage_until: OffsetDateTime,
}

/// Credentials of a kind, with the look-ups under way.
#[derive(Clone, Debug)]
struct Kept<T: Identified> {
    records: Cache<Hash, Arc<Record<T>>>,
    lookups: Lookups<T>,
}

/// Whoever a record is of.
trait Identified: Clone + Send + Sync + 'static {
    /// The tenant whose changes tell of revocations, if there is one.
    fn tenant(&self) -> Option<TenantId>;
}

impl VerifiedCredentials {
    /// Remembers credentials until they are revoked here, or `changes` tells that they may be elsewhere.
    pub fn new(changes: Option<Arc<dyn Changes>>) -> Self {
        let callers = Cache::builder()
            .max_capacity(CAPACITY)
            .support_invalidation_closures();
        Self {
            callers: Kept::new(callers.build()),
            operators: Kept::new(Cache::new(CAPACITY / 100)),
            revocations: Arc::default(),
            changes,
        }
    }

    /// Establishes the caller from an access token.
    pub(super) fn by_token(&self, services: &Services, token: &str) -> Result<Caller, AuthenticateError> {
        let now = services.clock.now();
        let hash = hash(token);
        let known = self.callers.records.get(&hash);
        // A key is none, though it is remembered beside them.
        let known = known.filter(|record| record.who.session().is_some());
        if let Some(record) = known.filter(|record| record.is_fresh(now)) {
            require_living(&*services.revoked, &record.who)?;
            return Ok(record.who.clone());
        }
        let verified = authenticate_access_token(&*services.tokens, &*services.revoked, token, now)?;
        let record = Record::new(&verified, 0, now, TOKEN_LASTS);
        self.callers.records.insert(hash, Arc::new(record));
        Ok(verified.who)
    }

    /// Establishes the caller from an API key.
    pub(super) async fn by_key(&self, services: &Services, key: &str) -> Result<Caller, AuthenticateError> {
        let tenant = || {
            let presented = services.secrets.read(SecretKind::ApiKey, key);
            let tenant = presented.and_then(|secret| secret.tenant);
            tenant.map(Some).ok_or(AuthenticateError::Refused)
        };
        let lookup = || {
            let (system, secrets) = (Arc::clone(&services.system), Arc::clone(&services.secrets));
            let key = key.to_owned();
            async move { authenticate_api_key(&*system, &*secrets, &key).await }
        };
        self.recorded(services, &self.callers, key, tenant, lookup).await
    }

    /// Establishes an operator from its secret.
    pub(super) async fn by_operator_secret(
        &self,
        services: &Services,
        secret: &str,
    ) -> Result<OperatorPermit, AuthenticateError> {
        let lookup = || {
            let (system, secrets) = (Arc::clone(&services.system), Arc::clone(&services.secrets));
            let secret = secret.to_owned();
            async move { authenticate_operator(&*system, &*secrets, &secret).await }
        };
        self.recorded(services, &self.operators, secret, || Ok(None), lookup)
            .await
    }

    async fn recorded<T: Identified, F>(
        &self,
        services: &Services,
        kept: &Kept<T>,
        credential: &str,
        tenant: impl FnOnce() -> Result<Option<TenantId>, AuthenticateError>,
        lookup: impl FnOnce() -> F,
    ) -> Result<T, AuthenticateError>
    where
        F: Future<Output = Result<Verified<T>, AuthenticateError>> + Send + 'static,
    {
        let now = services.clock.now();
        let hash = hash(credential);
        let here = self.revocations.load(Ordering::SeqCst);
        let known = kept.records.get(&hash);
        // What others have told speaks against it, until it is looked up again.
        let known = known.filter(|record| record.told == self.told_of(record.who.tenant()));
        if let Some(record) = known.as_ref().filter(|record| record.is_fresh(now)) {
            return Ok(record.who.clone());
        }
        let seen = Seen {
            here,
            told: self.told_of(tenant()?),
        };
        let nodes = Arc::clone(&services.nodes);
        let note = Note {
            records: kept.records.clone(),
            revocations: Arc::clone(&self.revocations),
            known: known.clone(),
            is_away: move || nodes.nodes().first().is_some_and(|primary| !primary.is_serving),
        };
        let note = move |found: &_| note.note(hash, seen, now, found);
        let lookup = kept.lookups.join_or_begin(hash, seen, lookup, note);

        let waits_no_longer = known.as_ref().is_some_and(|record| now < record.unasked_until);
        let found = if waits_no_longer {
            let patience = PATIENCE.saturating_sub(lookup.under_way_for());
            timeout(patience, lookup.landed()).await.ok()
        } else {
            Some(lookup.landed().await)
        };
        match (found, known) {
            (None, Some(record)) => Ok(record.who.clone()),
            // It was noted whether the record counts all the same.
            (Some(Err(AuthenticateError::Store(_))), Some(record)) if record.is_fresh(now) => {
                Ok(record.who.clone())
            }
            (Some(found), _) => found,
            (None, None) => Err(StoreError::TimedOut.into()),
        }
    }

    fn told_of(&self, tenant: Option<TenantId>) -> u64 {
        match (&self.changes, tenant) {
            (Some(changes), Some(tenant)) => changes.mark(tenant, Tag::ApiKeys),
            _ => 0,
        }
    }

    fn forget_key(&self, revoked: Uuid) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        let is_revoked = move |_: &Hash, record: &Arc<Record<Caller>>| match record.who.identity() {
            VerifiedIdentity::ApiKey { key, .. } => key.as_uuid() == revoked,
            VerifiedIdentity::User { .. } => false,
        };
        self.callers
            .records
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

/// Writes down what a look-up has found.
struct Note<T, A> {
    records: Cache<Hash, Arc<Record<T>>>,
    revocations: Arc<AtomicU64>,
    known: Option<Arc<Record<T>>>,
    is_away: A,
}

impl<T: Identified, A: Fn() -> bool> Note<T, A> {
    fn note(
        &self,
        hash: Hash,
        seen: Seen,
        now: OffsetDateTime,
        found: &Result<Verified<T>, AuthenticateError>,
    ) {
        match found {
            Ok(verified) => {
                let record = Record::new(verified, seen.told, now, RECORD_LASTS);
                self.records.insert(hash, Arc::new(record));
                // Whoever revokes counts first and removes then: what was looked up before is removed here or there.
                if self.revocations.load(Ordering::SeqCst) != seen.here {
                    self.records.invalidate(&hash);
                }
            }
            Err(AuthenticateError::Store(error)) => {
                // In its place, so that one that was removed meanwhile does not come back.
                if let Some(known) = self.known.as_ref().filter(|_| may_pass(error)) {
                    known.extend(now, &self.is_away);
                }
            }
            Err(_) => self.records.invalidate(&hash),
        }
    }
}

impl<T: Identified> Kept<T> {
    fn new(records: Cache<Hash, Arc<Record<T>>>) -> Self {
        Self {
            records,
            lookups: Lookups::default(),
        }
    }
}

impl<T: Identified> Record<T> {
    fn new(verified: &Verified<T>, told: u64, now: OffsetDateTime, lasts: Duration) -> Self {
        let until = |moment: OffsetDateTime| verified.until.map_or(moment, |until| until.min(moment));
        Self {
            who: verified.who.clone(),
            told,
            fresh_until: AtomicI64::new(millis(until(now + lasts))),
            unasked_until: until(now + UNASKED_LASTS),
            outage_until: until(now + OUTAGE_LASTS),
        }
    }

    fn is_fresh(&self, now: OffsetDateTime) -> bool {
        millis(now) < self.fresh_until.load(Ordering::Relaxed)
    }

    /// Counts for a moment more, so that not everybody asks in vain; but no longer than it may.
    fn extend(&self, now: OffsetDateTime, is_away: impl Fn() -> bool) {
        let limit = if now >= self.unasked_until && is_away() {
            self.outage_until
        } else {
            self.unasked_until
        };
        let until = limit.min(now + ASK_AGAIN_AFTER);
        self.fresh_until.fetch_max(millis(until), Ordering::Relaxed);
    }
}

impl Identified for Caller {
    fn tenant(&self) -> Option<TenantId> {
        match self.identity() {
            VerifiedIdentity::ApiKey { tenant, .. } => Some(*tenant),
            // An access token says itself until when it counts.
            VerifiedIdentity::User { .. } => None,
        }
    }
}

impl Identified for OperatorPermit {
    /// Of operators no process tells another.
    fn tenant(&self) -> Option<TenantId> {
        None
    }
}

/// Whether the same look-up may well succeed in a moment.
fn may_pass(error: &StoreError) -> bool {
    match error {
        StoreError::Contended
        | StoreError::Unavailable(_)
        | StoreError::Exhausted(_)
        | StoreError::Interrupted(_)
        | StoreError::InDoubt(_)
        | StoreError::TimedOut => true,
        StoreError::OverPlan(_) | StoreError::Corrupt { .. } | StoreError::Unexpected(_) => false,
    }
}

/// A session may have ended since its token was verified.
fn require_living(revoked: &dyn RevokedSessions, caller: &Caller) -> Result<(), AuthenticateError> {
    match caller.session() {
        Some(session) if revoked.contains(session) => Err(AuthenticateError::SessionEnded),
        _ => Ok(()),
    }
}

fn millis(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn hash(credential: &str) -> Hash {
    Sha256::digest(credential.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn record(until: Option<OffsetDateTime>) -> Record<OperatorPermit> {
        #[expect(clippy::disallowed_methods, reason = "the test stands in for authentication")]
        let who = OperatorPermit::from_verified("olga".to_owned());
        Record::new(&Verified { who, until }, 0, at(0), RECORD_LASTS)
    }

    /// The seconds at which it counts, if each look-up from its end on fails.
    fn counts(record: &Record<OperatorPermit>, is_away: bool) -> i64 {
        let mut counted = 0;
        for second in 0..1_000 {
            if !record.is_fresh(at(second)) {
                record.extend(at(second), || is_away);
            }
            if record.is_fresh(at(second)) {
                counted = second;
            }
        }
        counted
    }

    #[test]
    fn a_record_counts_half_a_minute_while_look_ups_fail_and_longer_only_while_the_primary_is_away() {
        assert_eq!(counts(&record(None), false), 29);
        assert_eq!(counts(&record(None), true), 599);
    }

    #[test]
    fn a_record_counts_no_longer_than_the_credential_itself() {
        assert_eq!(counts(&record(Some(at(20))), false), 19);
        assert_eq!(counts(&record(Some(at(20))), true), 19);
        assert_eq!(counts(&record(Some(at(3))), true), 2);
    }
}
