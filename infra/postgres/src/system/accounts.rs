use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::identity::{
    Account, Accounts, ApiKey, ApiKeyId, LONGEST_ACCESS_TOKEN, RefreshToken, Revocation, Session, SessionId,
    Tenant, TenantConflict, TenantId, User, UserId,
};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use super::PgSystemUnitOfWork;
use crate::error::{SqlError, unexpected};
use crate::rows::FromRow as _;
use crate::sessions::{insert_revocations, session_ids};
use crate::users::{self, AgentColumns};

const INSERT_TENANT: &str = "
    INSERT INTO tenants (tenant_id, id, slug, name, version, created_at, updated_at)
    VALUES ($1, $1, $2, $3, $4, $5, $6)";

const INSERT_CREDENTIAL: &str =
    "INSERT INTO credentials (tenant_id, user_id, email, password_hash) VALUES ($1, $2, $3, $4)";

macro_rules! tenant_columns {
    () => {
        "t.tenant_id, t.id, t.slug, t.name, t.version, t.created_at, t.updated_at"
    };
}

macro_rules! user_columns {
    () => {
        "u.tenant_id, u.id, u.email, u.name, u.role, u.active, u.is_agent, u.state, u.city, u.specializations, u.rating,
         u.max_open_leads, u.open_leads, u.version, u.created_at, u.updated_at"
    };
}

const FIND_BY_EMAIL: &str = concat!(
    "SELECT c.password_hash, ",
    tenant_columns!(),
    ", ",
    user_columns!(),
    " FROM credentials c
      JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
      JOIN tenants t ON t.tenant_id = c.tenant_id
      WHERE c.email = $1 AND c.password_hash IS NOT NULL AND u.active AND ($2::text IS NULL OR t.slug = $2)
      ORDER BY u.created_at, u.id
      LIMIT $3"
);

// The lock makes a second acceptance wait, and find that the invitation is used up.
const FIND_BY_INVITATION: &str = concat!(
    "SELECT ",
    tenant_columns!(),
    ", ",
    user_columns!(),
    " FROM credentials c
      JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
      JOIN tenants t ON t.tenant_id = c.tenant_id
      WHERE c.tenant_id = $1 AND c.invitation_hash = $2 AND c.invitation_expires_at > $3 AND u.active
      FOR NO KEY UPDATE OF c"
);

const SET_PASSWORD: &str = "
    UPDATE credentials SET password_hash = $3, invitation_hash = NULL, invitation_expires_at = NULL
    WHERE tenant_id = $1 AND user_id = $2";

const INSERT_SESSION: &str = "
    INSERT INTO sessions (tenant_id, id, user_id, created_at, last_used_at, expires_at)
    VALUES ($1, $2, $3, $4, $4, $5)";

const INSERT_REFRESH_TOKEN: &str = "
    INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, issued_at) VALUES ($1, $2, $3, $4, $5)";

const NOTE_LOGIN: &str = "UPDATE credentials SET last_login_at = $3 WHERE tenant_id = $1 AND user_id = $2";

// The token is locked too: after a wait, a row that is only joined would still be seen as it was before, unused.
const FIND_REFRESH_TOKEN: &str = concat!(
    "SELECT s.id AS session_id, s.user_id, s.created_at, s.expires_at, s.revoked_at, r.used_at, ",
    user_columns!(),
    " FROM refresh_tokens r
      JOIN sessions s ON s.tenant_id = r.tenant_id AND s.id = r.session_id
      JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
      WHERE r.tenant_id = $1 AND r.token_hash = $2
      FOR NO KEY UPDATE OF s, r"
);

const USE_REFRESH_TOKEN: &str = "
    UPDATE refresh_tokens SET used_at = $4
    WHERE tenant_id = $1 AND session_id = $2 AND token_hash = $3 AND used_at IS NULL";

// Those that were issued at the same moment are told apart by their ids, which are made in order.
const IS_FOLLOWED_BY_USED: &str = "
    SELECT EXISTS (
        SELECT FROM refresh_tokens r
        JOIN refresh_tokens n ON n.tenant_id = r.tenant_id AND n.session_id = r.session_id
        WHERE r.tenant_id = $1 AND r.token_hash = $2
          AND n.issued_at >= r.used_at AND n.id > r.id AND n.used_at IS NOT NULL
    )";

const TOUCH_SESSION: &str = "UPDATE sessions SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";

const REVOKE_SESSION: &str = "
    UPDATE sessions SET revoked_at = $3, revoked_reason = $4
    WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
    RETURNING id";

const FIND_API_KEY: &str = "
    SELECT tenant_id, id, name, prefix, scopes, created_by, created_at, expires_at, last_used_at, revoked_at,
           secret_hash
    FROM api_keys WHERE tenant_id = $1 AND id = $2";

// To the minute, so that a key in constant use is written once a minute, not once a request.
const TOUCH_API_KEY: &str = "
    UPDATE api_keys SET last_used_at = date_trunc('minute', $3)
    WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', $3))";

const FIND_TENANT: &str = concat!("SELECT ", tenant_columns!(), " FROM tenants t WHERE t.slug = $1");

const FIND_OWNER: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM users u WHERE u.tenant_id = $1 AND u.role = 'OWNER' AND u.active ORDER BY u.created_at, u.id LIMIT 1"
);

#[async_trait]
impl Accounts for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.accounts.insert_tenant", skip_all)]
    async fn insert_tenant(
        &mut self,
        tenant: &Tenant,
        owner: &User,
        password_hash: &str,
    ) -> Result<(), TenantConflict> {
        let inserted = self
            .connection
            .sql(INSERT_TENANT)
            .bind(tenant.id.as_uuid())
            .bind(&tenant.slug)
            .bind(&tenant.name)
            .bind(tenant.version)
            .bind(tenant.created_at)
            .bind(tenant.updated_at)
            .execute()
            .await;
        match inserted {
            Ok(_) => {}
            Err(error) if error.constraint() == Some("tenants_slug") => {
                return Err(TenantConflict::SlugTaken);
            }
            Err(error) => return Err(StoreError::from(error).into()),
        }
        self.insert_owner(tenant, owner, password_hash).await?;
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_by_email", skip_all)]
    async fn find_by_email(
        &mut self,
        email: &str,
        slug: Option<&str>,
        at_most: u32,
    ) -> Result<Vec<Account>, StoreError> {
        // PostgreSQL refuses U+0000 in a text, so nobody has such an address.
        if email.contains('\0') || slug.is_some_and(|slug| slug.contains('\0')) {
            return Ok(Vec::new());
        }
        let rows = self
            .connection
            .sql(FIND_BY_EMAIL)
            .bind(email)
            .bind(slug)
            .bind(i64::from(at_most))
            .fetch_all()
            .await?;
        let account = |row: Row| {
            let password_hash = row.try_get(0).map_err(SqlError::from)?;
            let (tenant, user) = tenant_and_user(&row, 1)?;
            Ok(Account {
                tenant,
                user,
                password_hash,
            })
        };
        rows.into_iter().map(account).collect()
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_by_invitation", skip_all)]
    async fn find_by_invitation(
        &mut self,
        tenant: TenantId,
        token_hash: &[u8],
    ) -> Result<Option<(Tenant, User)>, StoreError> {
        let row = self
            .connection
            .sql(FIND_BY_INVITATION)
            .bind(tenant.as_uuid())
            .bind(token_hash)
            .bind(self.now)
            .fetch_optional()
            .await?;
        row.map(|row| tenant_and_user(&row, 0)).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.set_password", skip_all)]
    async fn set_password(
        &mut self,
        tenant: TenantId,
        user: UserId,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        let written = self
            .connection
            .sql(SET_PASSWORD)
            .bind(tenant.as_uuid())
            .bind(user.as_uuid())
            .bind(password_hash)
            .execute()
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(unexpected(format!("user {user} has no credential")))
        }
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.insert_session", skip_all)]
    async fn insert_session(
        &mut self,
        tenant: TenantId,
        session: &Session,
        token_hash: &[u8],
    ) -> Result<(), StoreError> {
        self.connection
            .sql(INSERT_SESSION)
            .bind(tenant.as_uuid())
            .bind(session.id.as_uuid())
            .bind(session.user.as_uuid())
            .bind(session.created_at)
            .bind(session.expires_at)
            .enqueue()
            .await?;
        self.insert_refresh_token(tenant, session.id, token_hash).await?;
        self.note_login(tenant, session.user).await
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_refresh_token", skip_all)]
    async fn find_refresh_token(
        &mut self,
        tenant: TenantId,
        token_hash: &[u8],
    ) -> Result<Option<RefreshToken>, StoreError> {
        let connection = &self.connection;
        let row = connection
            .sql(FIND_REFRESH_TOKEN)
            .bind(tenant.as_uuid())
            .bind(token_hash)
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let session = session(&row).map_err(SqlError::from)?;
        let used_at = row.try_get(5).map_err(SqlError::from)?;
        let user = User::from_columns(&mut row.columns_from(6).map_err(SqlError::from)?)?;
        Ok(Some(RefreshToken {
            session,
            user,
            used_at,
        }))
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.is_followed_by_used", skip_all)]
    async fn is_followed_by_used(&mut self, tenant: TenantId, token_hash: &[u8]) -> Result<bool, StoreError> {
        let row = self
            .connection
            .sql(IS_FOLLOWED_BY_USED)
            .bind(tenant.as_uuid())
            .bind(token_hash)
            .fetch_one()
            .await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.rotate_refresh_token", skip_all)]
    async fn rotate_refresh_token(
        &mut self,
        tenant: TenantId,
        session: SessionId,
        used_hash: Option<&[u8]>,
        next_hash: &[u8],
    ) -> Result<(), StoreError> {
        let connection = &self.connection;
        if let Some(used_hash) = used_hash {
            let used = connection
                .sql(USE_REFRESH_TOKEN)
                .bind(tenant.as_uuid())
                .bind(session.as_uuid())
                .bind(used_hash)
                .bind(self.now)
                .execute()
                .await?;
            if used != 1 {
                return Err(StoreError::Contended);
            }
        }
        self.insert_refresh_token(tenant, session, next_hash).await?;
        connection
            .sql(TOUCH_SESSION)
            .bind(tenant.as_uuid())
            .bind(session.as_uuid())
            .bind(self.now)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.revoke_session", skip_all)]
    async fn revoke_session(
        &mut self,
        tenant: TenantId,
        session: SessionId,
        reason: Revocation,
    ) -> Result<(), StoreError> {
        let ended = self
            .connection
            .sql(REVOKE_SESSION)
            .bind(tenant.as_uuid())
            .bind(session.as_uuid())
            .bind(self.now)
            .bind(reason.as_str())
            .fetch_all()
            .await?;
        let ended = session_ids(&ended)?;
        let until = self.now + LONGEST_ACCESS_TOKEN;
        insert_revocations(&self.connection, &*self.ids, tenant.as_uuid(), &ended, until).await?;
        self.revoke(ended.into_iter().map(|session| (session, until)));
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_api_key", skip_all)]
    async fn find_api_key(
        &mut self,
        tenant: TenantId,
        id: ApiKeyId,
    ) -> Result<Option<(ApiKey, Vec<u8>)>, StoreError> {
        let connection = &self.connection;
        let row = connection
            .sql(FIND_API_KEY)
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let secret_hash = row.try_get(10).map_err(SqlError::from)?;
        let key = ApiKey::from_row(&row)?;
        Ok(Some((key, secret_hash)))
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.touch_api_key", skip_all)]
    async fn touch_api_key(
        &mut self,
        tenant: TenantId,
        id: ApiKeyId,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let connection = &self.connection;
        connection
            .sql(TOUCH_API_KEY)
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .bind(at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_tenant", skip_all)]
    async fn find_tenant(&mut self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        if slug.contains('\0') {
            return Ok(None);
        }
        let row = self
            .connection
            .sql(FIND_TENANT)
            .bind(slug)
            .fetch_optional()
            .await?;
        Ok(row.as_ref().map(Tenant::from_row).transpose()?)
    }

    #[tracing::instrument(level = "debug", name = "db.accounts.find_owner", skip_all)]
    async fn find_owner(&mut self, tenant: TenantId) -> Result<Option<User>, StoreError> {
        let row = self
            .connection
            .sql(FIND_OWNER)
            .bind(tenant.as_uuid())
            .fetch_optional()
            .await?;
        Ok(row.as_ref().map(User::from_row).transpose()?)
    }
}

impl PgSystemUnitOfWork {
    async fn insert_owner(
        &self,
        tenant: &Tenant,
        owner: &User,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        let agent = AgentColumns::from(owner.agent.as_ref());
        self.connection
            .sql(users::INSERT)
            .bind(tenant.id.as_uuid())
            .bind(owner.id.as_uuid())
            .bind(&owner.email)
            .bind(&owner.name)
            .bind(owner.role.as_str())
            .bind(owner.active)
            .bind(agent.is_agent)
            .bind(agent.state)
            .bind(agent.city)
            .bind(agent.specializations)
            .bind(agent.rating)
            .bind(agent.max_open_leads)
            .bind(agent.open_leads)
            .bind(owner.version)
            .bind(owner.created_at)
            .bind(owner.updated_at)
            .enqueue()
            .await?;
        self.connection
            .sql(INSERT_CREDENTIAL)
            .bind(tenant.id.as_uuid())
            .bind(owner.id.as_uuid())
            .bind(&owner.email)
            .bind(password_hash)
            .enqueue()
            .await
    }

    async fn insert_refresh_token(
        &self,
        tenant: TenantId,
        session: SessionId,
        token_hash: &[u8],
    ) -> Result<(), StoreError> {
        self.connection
            .sql(INSERT_REFRESH_TOKEN)
            .bind(tenant.as_uuid())
            .bind(self.ids.next())
            .bind(session.as_uuid())
            .bind(token_hash)
            .bind(self.now)
            .enqueue()
            .await
    }

    async fn note_login(&self, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
        self.connection
            .sql(NOTE_LOGIN)
            .bind(tenant.as_uuid())
            .bind(user.as_uuid())
            .bind(self.now)
            .enqueue()
            .await
    }
}

fn session(row: &Row) -> Result<Session, crate::wire::Error> {
    Ok(Session {
        id: Id::from_uuid(row.try_get(0)?),
        user: Id::from_uuid(row.try_get(1)?),
        created_at: row.try_get(2)?,
        expires_at: row.try_get(3)?,
        revoked_at: row.try_get(4)?,
    })
}

/// From the columns that begin at `first`.
fn tenant_and_user(row: &Row, first: usize) -> Result<(Tenant, User), StoreError> {
    let mut columns = row.columns_from(first).map_err(SqlError::from)?;
    Ok((
        Tenant::from_columns(&mut columns)?,
        User::from_columns(&mut columns)?,
    ))
}
