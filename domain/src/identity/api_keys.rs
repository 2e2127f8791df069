use time::OffsetDateTime;

use super::snapshot::ApiKeySnapshot;
use super::{ApiKey, ApiKeyId, Secret, SecretKind, Secrets};
use crate::Id;
use crate::access::{ApiScope, ManageApiKeys, Permit};
use crate::clock;
use crate::events::{Aggregate, Recorded};
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::text;

/// How many valid keys a tenant may have.
pub const MAX_API_KEYS: u64 = 100;
/// How much of a key is kept to recognise it by.
const PREFIX_LENGTH: usize = 12;

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    pub name: String,
    pub scopes: Vec<ApiScope>,
    pub expires_at: Option<OffsetDateTime>,
}

impl CreateApiKey {
    pub fn parse(
        name: &str,
        scopes: &[String],
        expires_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let name = faults.keep("name", text::line(name, 100));
        if scopes.is_empty() || scopes.len() > ApiScope::ALL.len() {
            faults.add("scopes", format!("must have 1 to {} items", ApiScope::ALL.len()));
        }
        let mut parsed: Vec<ApiScope> = scopes.iter().filter_map(|scope| ApiScope::parse(scope)).collect();
        if parsed.len() < scopes.len() {
            let known: Vec<&str> = ApiScope::ALL.iter().map(|scope| scope.as_str()).collect();
            faults.add("scopes", format!("must be of {}", known.join(", ")));
        }
        parsed.sort_unstable_by_key(|scope| scope.as_str());
        parsed.dedup();
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            faults.add("expiresAt", "must be in the future");
        }
        let expires_at = faults.keep_optional("expiresAt", expires_at.map(clock::stored));
        faults.finish()?;
        Ok(Self {
            name: name.unwrap_or_default(),
            scopes: parsed,
            expires_at,
        })
    }
}

/// A key with its secret, which is told once.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub key: ApiKey,
    pub secret: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateApiKeyError {
    #[error("a tenant has at most {MAX_API_KEYS} valid API keys; revoke one first")]
    TooManyKeys,
    #[error("only people make API keys")]
    NotAPerson,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an API key.
pub async fn create_api_key(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageApiKeys>,
    secrets: &dyn Secrets,
    cmd: CreateApiKey,
) -> Result<NewApiKey, CreateApiKeyError> {
    let created_by = permit.actor().user().ok_or(CreateApiKeyError::NotAPerson)?;
    // The tenant's row is locked while its keys are counted.
    uow.tenants().get_for_update().await?;
    if uow.api_keys().count_valid().await? >= MAX_API_KEYS {
        return Err(CreateApiKeyError::TooManyKeys);
    }
    let id = Id::from_uuid(uow.next_id());
    let secret = secrets.make(SecretKind::ApiKey, Some(uow.tenant()), Some(id));
    let key = ApiKey {
        id,
        name: cmd.name,
        prefix: secret.expose().chars().take(PREFIX_LENGTH).collect(),
        scopes: cmd.scopes,
        created_by,
        created_at: uow.now(),
        expires_at: cmd.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    uow.api_keys()
        .insert(&key, &secrets.hash(secret.expose()))
        .await?;
    uow.record(
        Recorded::new("api_key_created", Aggregate::ApiKey, id.as_uuid(), permit.actor())
            .after(&ApiKeySnapshot::from(&key)),
    );
    Ok(NewApiKey { key, secret })
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeApiKeyError {
    #[error("there is no such API key")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Revokes an API key, at once and for good. Revoking it again changes nothing.
pub async fn revoke_api_key(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageApiKeys>,
    id: ApiKeyId,
) -> Result<(), RevokeApiKeyError> {
    let before = uow
        .api_keys()
        .find_for_update(id)
        .await?
        .ok_or(RevokeApiKeyError::NotFound)?;
    if before.revoked_at.is_some() {
        return Ok(());
    }
    let now = uow.now();
    uow.api_keys().revoke(id, now).await?;
    let after = ApiKey {
        revoked_at: Some(now),
        ..before.clone()
    };
    uow.record(
        Recorded::new("api_key_revoked", Aggregate::ApiKey, id.as_uuid(), permit.actor())
            .before(&ApiKeySnapshot::from(&before))
            .after(&ApiKeySnapshot::from(&after)),
    );
    Ok(())
}
