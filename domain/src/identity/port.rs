use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{
    ApiKey, ApiKeyId, Password, Revocation, Secret, Session, SessionId, Tenant, TenantId, User, UserId,
};
use crate::access::Role;
use crate::paging::{Page, Paging};
use crate::performance::Taken;
use crate::store::StoreError;

/// The one tenant of a unit of work.
#[async_trait]
pub trait Tenants: Send {
    async fn get(&mut self) -> Result<Tenant, StoreError>;
    /// Locks the row until the unit of work ends: what depends on a count over the tenant is decided under it.
    async fn get_for_update(&mut self) -> Result<Tenant, StoreError>;
    /// Writes name and `updated_at`; the stored version becomes one more than `tenant.version`.
    async fn update(&mut self, tenant: &Tenant) -> Result<(), StoreError>;
    /// Counts what the tenant has stored, and adds up what it has taken in this calendar month.
    async fn usage(&mut self) -> Result<Usage, StoreError>;
    /// Counts what is limited.
    async fn in_use(&mut self) -> Result<InUse, StoreError>;
}

/// How much a tenant uses of what is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    pub users: u64,
    /// Neither revoked nor expired.
    pub api_keys: u64,
    /// Imports in the background that have not ended.
    pub open_imports: u64,
    /// Of files that wait to be imported.
    pub import_bytes: u64,
    /// Exports in the background that have not ended.
    pub open_exports: u64,
    /// Of files that exports have written.
    pub export_bytes: u64,
    pub webhooks: u64,
    /// That models have read and written in this calendar month, with what is reserved.
    pub ai_tokens: u64,
    /// What they cost, in millionths of the currency.
    pub ai_micros: u64,
}

/// How much a tenant has stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub users: u64,
    pub active_users: u64,
    pub agents: u64,
    pub leads: u64,
    pub open_leads: u64,
    pub activities: u64,
    pub carriers: u64,
    pub api_keys: u64,
    /// In this calendar month, by UTC.
    pub taken: Taken,
    /// In this month as well: that models have read and written, with what is reserved.
    pub ai_tokens: u64,
}

/// The users of one tenant.
#[async_trait]
pub trait Users: Send {
    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Finds and locks a user until the unit of work ends.
    async fn find_for_update(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Finds and locks those of `ids` that exist, in the order of their ids.
    async fn find_many_for_update(&mut self, ids: &[UserId]) -> Result<Vec<User>, StoreError>;
    async fn list(&mut self, filter: &UserFilter, paging: &Paging) -> Result<Page<User>, StoreError>;
    /// Active users with an agent profile; the best rated first.
    async fn list_agents(&mut self, filter: &AgentFilter, paging: &Paging) -> Result<Page<User>, StoreError>;
    /// Active users with an agent profile in whose names a word begins with each of these, which are of letters and digits, in
    /// lower case; the best rated first.
    async fn find_agents_named(&mut self, words: &[String], limit: u32) -> Result<Vec<User>, StoreError>;
    async fn count(&mut self) -> Result<u64, StoreError>;
    /// How many active owners there are beside this user who can log in: one who has not accepted the invitation runs
    /// nothing yet.
    async fn count_other_owners(&mut self, than: UserId) -> Result<u64, StoreError>;
    async fn insert(&mut self, user: &User) -> Result<(), UserConflict>;
    /// Lets the user accept an invitation until it expires; `token_hash` is SHA-256 of the token.
    async fn insert_invitation(
        &mut self,
        user: &User,
        token_hash: &[u8],
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreError>;
    /// Writes all but `open_leads`; the stored version becomes one more than `user.version`.
    async fn update(&mut self, user: &User) -> Result<(), StoreError>;
}

/// Why a user could not be added.
#[derive(Debug, thiserror::Error)]
pub enum UserConflict {
    #[error("the tenant already has a user with this e-mail address")]
    EmailTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    pub role: Option<Role>,
    pub active: Option<bool>,
}

#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Whether the agent has room for another lead.
    pub available: Option<bool>,
    /// Upper case.
    pub state: Option<String>,
    /// Compared without regard to case.
    pub city: Option<String>,
    /// Lower case.
    pub specialization: Option<String>,
    pub min_rating: Option<i32>,
}

/// The sessions of one tenant's users.
#[async_trait]
pub trait Sessions: Send {
    /// Ends every living session of a user and refuses the access tokens made under them, in this process as soon as
    /// the unit of work commits and in all others within a second. Returns how many sessions ended.
    async fn revoke_all(&mut self, user: UserId, reason: Revocation) -> Result<u64, StoreError>;
}

/// The API keys of one tenant.
#[async_trait]
pub trait ApiKeys: Send {
    async fn find_for_update(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;
    async fn list(&mut self, paging: &Paging) -> Result<Page<ApiKey>, StoreError>;
    async fn count_valid(&mut self) -> Result<u64, StoreError>;
    async fn insert(&mut self, key: &ApiKey, secret_hash: &[u8]) -> Result<(), StoreError>;
    async fn revoke(&mut self, id: ApiKeyId, at: OffsetDateTime) -> Result<(), StoreError>;
}

/// What login, refresh and key checks need, across tenants.
#[async_trait]
pub trait Accounts: Send {
    /// Adds a tenant with its owner, who can log in with `password_hash`.
    async fn insert_tenant(
        &mut self,
        tenant: &Tenant,
        owner: &User,
        password_hash: &str,
    ) -> Result<(), TenantConflict>;

    /// Finds the accounts that can log in with an e-mail address (lower case): active users who have a password, in
    /// the tenant with this slug, or in any. Returns the oldest users, the oldest first.
    async fn find_by_email(
        &mut self,
        email: &str,
        slug: Option<&str>,
        at_most: u32,
    ) -> Result<Vec<Account>, StoreError>;

    /// Finds the user an unexpired, unused invitation was made for.
    async fn find_by_invitation(
        &mut self,
        tenant: TenantId,
        token_hash: &[u8],
    ) -> Result<Option<(Tenant, User)>, StoreError>;

    /// Stores a password and uses up the invitation, if there is one.
    async fn set_password(
        &mut self,
        tenant: TenantId,
        user: UserId,
        password_hash: &str,
    ) -> Result<(), StoreError>;

    /// Adds a session with its first refresh token, and notes the login.
    async fn insert_session(
        &mut self,
        tenant: TenantId,
        session: &Session,
        token_hash: &[u8],
    ) -> Result<(), StoreError>;

    /// Finds and locks the session that a refresh token belongs to, with its user as it is now.
    async fn find_refresh_token(
        &mut self,
        tenant: TenantId,
        token_hash: &[u8],
    ) -> Result<Option<RefreshToken>, StoreError>;

    /// Whether a refresh token of the same session that was issued when this one was used, or later, was used too.
    async fn is_followed_by_used(&mut self, tenant: TenantId, token_hash: &[u8]) -> Result<bool, StoreError>;

    /// Marks one refresh token used, unless that was done before (`None`), and adds the next.
    async fn rotate_refresh_token(
        &mut self,
        tenant: TenantId,
        session: SessionId,
        used_hash: Option<&[u8]>,
        next_hash: &[u8],
    ) -> Result<(), StoreError>;

    /// Ends a session, as [`Sessions::revoke_all`] does.
    async fn revoke_session(
        &mut self,
        tenant: TenantId,
        session: SessionId,
        reason: Revocation,
    ) -> Result<(), StoreError>;

    /// Finds a key and the SHA-256 of its secret.
    async fn find_api_key(
        &mut self,
        tenant: TenantId,
        id: ApiKeyId,
    ) -> Result<Option<(ApiKey, Vec<u8>)>, StoreError>;

    /// Notes that a key was used.
    async fn touch_api_key(
        &mut self,
        tenant: TenantId,
        id: ApiKeyId,
        at: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Finds a tenant by its slug.
    async fn find_tenant(&mut self, slug: &str) -> Result<Option<Tenant>, StoreError>;

    /// The first owner of a tenant.
    async fn find_owner(&mut self, tenant: TenantId) -> Result<Option<User>, StoreError>;
}

/// Why a tenant could not be added.
#[derive(Debug, thiserror::Error)]
pub enum TenantConflict {
    #[error("the slug is taken")]
    SlugTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Someone who may log in.
#[derive(Clone, Debug)]
pub struct Account {
    pub tenant: Tenant,
    pub user: User,
    /// argon2id in PHC form.
    pub password_hash: String,
}

/// A refresh token as it is kept.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    pub session: Session,
    pub user: User,
    pub used_at: Option<OffsetDateTime>,
}

/// Counts attempts to log in: those that failed, and those whose password is still being checked.
#[async_trait]
pub trait LoginThrottle: Send {
    /// Counts an attempt under each key; or returns until when it is locked out, if a key is locked already or has had
    /// as many attempts as its limit allows, which locks it from now. An attempt that is locked out counts under no
    /// key, and prolongs no lock. Counting starts anew when the window or a lock is over.
    ///
    /// Attempts with a key in common happen one after the other, until their units of work end; both outcomes are to
    /// be committed.
    async fn count_attempt(
        &mut self,
        limits: &[(ThrottleKey, ThrottleLimit)],
    ) -> Result<Option<OffsetDateTime>, StoreError>;
    /// Takes one counted attempt back under each key, and any lock that began meanwhile: without this attempt, it would
    /// not have begun.
    async fn give_back(&mut self, keys: &[ThrottleKey]) -> Result<(), StoreError>;
    /// Forgets all attempts under the keys, and their locks. In a unit of work that also gives attempts back, that
    /// comes first and includes these keys.
    async fn forget(&mut self, keys: &[ThrottleKey]) -> Result<(), StoreError>;
}

/// What attempts are counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleKey {
    /// Whether there is such an account or not. Naming a tenant and naming none are counted apart, so that a login to
    /// one account says nothing about attempts on another of the same address.
    Account {
        /// In lower case.
        email: String,
        /// The slug, where one was named.
        tenant: Option<String>,
    },
    Address(IpAddr),
}

/// When attempts lead to a lock-out.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleLimit {
    /// How many attempts may fail in a window, at least 1. The next one is locked out.
    pub failures: u32,
    /// Counts from the first attempt; when it is over, they are forgotten.
    pub window: time::Duration,
    pub lockout: time::Duration,
}

/// The operators of the platform.
#[async_trait]
pub trait Operators: Send {
    /// Adds an operator, or replaces the secret of the one with this name.
    async fn upsert(
        &mut self,
        id: uuid::Uuid,
        name: &str,
        secret_hash: &[u8],
        expires_at: Option<OffsetDateTime>,
    ) -> Result<(), StoreError>;
    /// Finds the operator whose unexpired secret has this SHA-256: the name, and when the secret expires.
    async fn find_by_secret(
        &mut self,
        secret_hash: &[u8],
    ) -> Result<Option<(String, Option<OffsetDateTime>)>, StoreError>;
    async fn list(&mut self) -> Result<Vec<(String, OffsetDateTime, Option<OffsetDateTime>)>, StoreError>;
    /// Returns whether there was such an operator.
    async fn revoke(&mut self, name: &str) -> Result<bool, StoreError>;
    /// Writes down what an operator has done.
    async fn audit(&mut self, act: &OperatorAct<'_>) -> Result<(), StoreError>;
}

/// Something that an operator has done to the platform. It belongs to no tenant, and is no event: only tenants' are.
#[derive(Clone, Debug)]
pub struct OperatorAct<'a> {
    pub operator: &'a str,
    /// In past tense: `circuit_breaker_opened`.
    pub action: &'static str,
    /// What kind of thing it was done to,
    pub entity: &'static str,
    /// and how that is from now on.
    pub after: serde_json::Value,
}

/// The database itself, as operators see it.
#[async_trait]
pub trait Platform: Send {
    async fn database_size(&mut self) -> Result<DatabaseSize, StoreError>;

    /// Makes the partitions of the months to come, and tells what else there is of what performance is measured with. For
    /// who writes to their tables it waits a moment and no longer; until the unit of work ends, they wait for it.
    async fn prepare(&mut self) -> Result<Preparation, StoreError>;
}

/// What performance is measured with.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Those that nothing goes without, and whether each is there.
    pub tables: Vec<(String, bool)>,
    pub partitions_found: u64,
    pub partitions_made: u64,
    /// Those that show more where they are there.
    pub extensions: Vec<(String, ExtensionState)>,
}

/// How far the server is extended by something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionState {
    Installed,
    /// It is on the server, and was not created in this database.
    Available,
    Missing,
}

/// Bytes on disk; the tables are sorted by size, the largest first.
#[derive(Clone, Debug)]
pub struct DatabaseSize {
    pub total_bytes: u64,
    pub tables: Vec<TableSize>,
}

#[derive(Clone, Debug)]
pub struct TableSize {
    pub name: String,
    pub table_bytes: u64,
    pub index_bytes: u64,
    /// As of the last ANALYZE; `None` before the first.
    pub estimated_rows: Option<u64>,
}

/// Hashes and checks passwords, off the event loop and a bounded number at a time.
#[async_trait]
pub trait PasswordHasher: Debug + Send + Sync {
    /// Returns the hash in PHC form.
    async fn hash(&self, password: &Password) -> Result<String, HasherBusy>;
    /// Returns whether the password is the one that was hashed.
    async fn verify(&self, password: &str, hash: &str) -> Result<bool, HasherBusy>;
    /// Takes as long as [`verify`](Self::verify) and matches nothing.
    async fn verify_nothing(&self, password: &str) -> Result<(), HasherBusy>;
}

/// Too many passwords wait to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct HasherBusy;

/// Makes and checks access tokens: JWT signed with `EdDSA` (RFC 8037).
pub trait AccessTokens: Debug + Send + Sync {
    fn issue(&self, claims: &AccessClaims) -> Secret;
    /// Checks signature, key, algorithm, issuer, audience and time.
    fn verify(&self, token: &str, now: OffsetDateTime) -> Result<AccessClaims, InvalidToken>;
    /// How long an access token is good for.
    fn lifetime(&self) -> time::Duration;
    /// The public keys as a JWK set (RFC 7517).
    fn jwks(&self) -> serde_json::Value;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    pub tenant: TenantId,
    pub user: UserId,
    pub session: SessionId,
    pub role: Role,
    pub issued_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    #[error("the token is malformed, or was signed by nobody we know")]
    Forged,
    #[error("the token has expired")]
    Expired,
}

/// Makes secrets that are told once and kept as hashes.
pub trait Secrets: Debug + Send + Sync {
    /// Makes a secret of `kind` with 256 random bits that names the tenant, and for an API key its id.
    fn make(&self, kind: SecretKind, tenant: Option<TenantId>, id: Option<ApiKeyId>) -> Secret;
    /// Takes a presented secret apart; `None` when it has not the form of its kind.
    fn read(&self, kind: SecretKind, presented: &str) -> Option<PresentedSecret>;
    /// SHA-256 of a whole secret.
    fn hash(&self, secret: &str) -> Vec<u8>;
    /// Compares hashes in constant time.
    fn matches(&self, left: &[u8], right: &[u8]) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// `tk_…`
    ApiKey,
    /// `rt_…`
    RefreshToken,
    /// `inv_…`
    Invitation,
    /// `op_…`, of no tenant.
    Operator,
}

/// What a secret says of itself; nothing of it is proved yet.
#[derive(Clone, Debug)]
pub struct PresentedSecret {
    pub tenant: Option<TenantId>,
    pub id: Option<ApiKeyId>,
    pub hash: Vec<u8>,
}

/// No access token lives longer, whatever is configured: so long a revoked session is remembered. Processes that are
/// configured otherwise than each other, or than they were, agree on it.
pub const LONGEST_ACCESS_TOKEN: time::Duration = time::Duration::HOUR;

/// The sessions whose access tokens are refused although they have not expired.
pub trait RevokedSessions: Debug + Send + Sync {
    fn contains(&self, session: SessionId) -> bool;
}
