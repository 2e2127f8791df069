use async_trait::async_trait;
use fairlead_domain::identity::{AgentFilter, AgentProfile, User, UserConflict, UserFilter, UserId, Users};
use fairlead_domain::paging::{Direction, Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LockType};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::entity::user;
use crate::error::SqlError;
use crate::paging::{Keyset, count, equals, page};
use crate::store::PgUnitOfWork;

const COUNT_OWNERS: &str = "
    SELECT count(*) FROM users u JOIN credentials c ON c.tenant_id = u.tenant_id AND c.user_id = u.id
    WHERE u.tenant_id = $1 AND u.role = 'OWNER' AND u.active AND c.can_log_in AND u.id <> $2";

pub(crate) const INSERT: &str = "
    INSERT INTO users (tenant_id, id, email, name, role, active, is_agent, state, city, specializations, rating,
                       max_open_leads, open_leads, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

const UPDATE: &str = "
    UPDATE users
    SET email = $3, name = $4, role = $5, active = $6, is_agent = $7, state = $8, city = $9, specializations = $10,
        rating = $11, max_open_leads = $12, updated_at = $13, version = $14 + 1
    WHERE tenant_id = $1 AND id = $2 AND version = $14";

const INSERT_INVITATION: &str = "
    INSERT INTO credentials (tenant_id, user_id, email, invitation_hash, invitation_expires_at)
    VALUES ($1, $2, $3, $4, $5)";

/// The columns that describe an agent, as they are for any user.
pub(crate) struct AgentColumns<'u> {
    pub(crate) is_agent: bool,
    pub(crate) state: Option<&'u str>,
    pub(crate) city: Option<&'u str>,
    pub(crate) specializations: &'u [String],
    pub(crate) rating: i32,
    pub(crate) max_open_leads: i32,
    pub(crate) open_leads: i32,
}

impl<'u> From<Option<&'u AgentProfile>> for AgentColumns<'u> {
    fn from(agent: Option<&'u AgentProfile>) -> Self {
        Self {
            is_agent: agent.is_some(),
            state: agent.and_then(|agent| agent.state.as_deref()),
            city: agent.and_then(|agent| agent.city.as_deref()),
            specializations: agent.map_or(&[], |agent| &agent.specializations),
            rating: agent.map_or(0, |agent| agent.rating),
            max_open_leads: agent.map_or(0, |agent| agent.max_open_leads),
            open_leads: agent.map_or(0, |agent| agent.open_leads),
        }
    }
}

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    pub(crate) fn scoped_users(&self) -> Select<user::Entity> {
        user::Entity::find().filter(user::Column::TenantId.eq(self.tenant_id()))
    }
}

#[async_trait]
impl Users for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.users.find", skip_all)]
    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.by_id(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.users.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.by_id_for_update(id).await
    }

    #[tracing::instrument(level = "debug", name = "db.users.find_many_for_update", skip_all)]
    async fn find_many_for_update(&mut self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        // One array, whatever its length: the statement stays the same, and prepared.
        let select = self
            .scoped_users()
            .filter(Expr::col(user::Column::Id.as_column_ref()).eq(PgFunc::any(ids)))
            .order_by_asc(user::Column::Id)
            .lock(LockType::NoKeyUpdate);
        self.connection.select(&select).await
    }

    #[tracing::instrument(level = "debug", name = "db.users.list", skip_all)]
    async fn list(&mut self, filter: &UserFilter, paging: &Paging) -> Result<Page<User>, StoreError> {
        let mut select = self.scoped_users();
        if let Some(role) = filter.role {
            select = select.filter(user::Column::Role.eq(role.as_str()));
        }
        if let Some(active) = filter.active {
            select = select.filter(user::Column::Active.eq(active));
        }
        let order = Keyset::newest_first(user::Column::CreatedAt, user::Column::Id);
        page(&self.connection, select, &order, paging, |user: &User| Position {
            key: SortKey::Time(user.created_at),
            id: user.id.as_uuid(),
        })
        .await
    }

    #[tracing::instrument(level = "debug", name = "db.users.find_agents_named", skip_all)]
    async fn find_agents_named(&mut self, words: &[String], limit: u32) -> Result<Vec<User>, StoreError> {
        let mut select = self
            .scoped_users()
            .filter(user::Column::IsAgent.eq(true))
            .filter(user::Column::Active.eq(true));
        for word in words {
            // Words have no character that a pattern takes for another. What parts words in a name may be any other.
            let name = Expr::cust("' ' || regexp_replace(lower(name), '[^[:alnum:]]+', ' ', 'g')");
            select = select.filter(name.like(format!("% {word}%")));
        }
        let select = select
            .order_by_desc(user::Column::Rating)
            .order_by_asc(user::Column::Id)
            .limit(u64::from(limit));
        self.connection.select(&select).await
    }

    #[tracing::instrument(level = "debug", name = "db.users.list_agents", skip_all)]
    async fn list_agents(&mut self, filter: &AgentFilter, paging: &Paging) -> Result<Page<User>, StoreError> {
        let mut select = self
            .scoped_users()
            .filter(user::Column::IsAgent.eq(true))
            .filter(user::Column::Active.eq(true));
        if let Some(available) = filter.available {
            let (held, most) = (
                Expr::col(user::Column::OpenLeads),
                Expr::col(user::Column::MaxOpenLeads),
            );
            select = select.filter(if available { held.lt(most) } else { held.gte(most) });
        }
        if let Some(state) = &filter.state {
            select = select.filter(equals(user::Column::State, state));
        }
        if let Some(city) = &filter.city {
            select = select.filter(if city.contains('\0') {
                Expr::Constant(false.into())
            } else {
                Expr::from(Func::lower(Expr::col(user::Column::City)))
                    .eq(Func::lower(Expr::val(city.as_str())))
            });
        }
        if let Some(specialization) = &filter.specialization {
            select = select.filter(if specialization.contains('\0') {
                Expr::Constant(false.into())
            } else {
                Expr::val(specialization.as_str()).eq(PgFunc::any(Expr::col(user::Column::Specializations)))
            });
        }
        if let Some(rating) = filter.min_rating {
            select = select.filter(user::Column::Rating.gte(rating));
        }
        let order = Keyset {
            key: user::Column::Rating,
            id: user::Column::Id,
            direction: Direction::Descending,
            is_indexed: false,
        };
        page(&self.connection, select, &order, paging, |user: &User| Position {
            key: SortKey::Number(user.agent.as_ref().map_or(0, |agent| agent.rating.into())),
            id: user.id.as_uuid(),
        })
        .await
    }

    #[tracing::instrument(level = "debug", name = "db.users.count", skip_all)]
    async fn count(&mut self) -> Result<u64, StoreError> {
        count(&self.connection, self.scoped_users()).await
    }

    #[tracing::instrument(level = "debug", name = "db.users.count_other_owners", skip_all)]
    async fn count_other_owners(&mut self, than: UserId) -> Result<u64, StoreError> {
        let counted = self
            .connection
            .sql(COUNT_OWNERS)
            .bind(self.tenant_id())
            .bind(than.as_uuid())
            .fetch_all()
            .await?;
        let count: i64 = match counted.first() {
            Some(row) => row
                .try_get(0)
                .map_err(|error| StoreError::from(SqlError::from(error)))?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or_default())
    }

    #[tracing::instrument(level = "debug", name = "db.users.insert", skip_all)]
    async fn insert(&mut self, user: &User) -> Result<(), UserConflict> {
        let agent = AgentColumns::from(user.agent.as_ref());
        let inserted = self
            .connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(user.id.as_uuid())
            .bind(&user.email)
            .bind(&user.name)
            .bind(user.role.as_str())
            .bind(user.active)
            .bind(agent.is_agent)
            .bind(agent.state)
            .bind(agent.city)
            .bind(agent.specializations)
            .bind(agent.rating)
            .bind(agent.max_open_leads)
            .bind(agent.open_leads)
            .bind(user.version)
            .bind(user.created_at)
            .bind(user.updated_at)
            .execute()
            .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(error) if error.constraint() == Some("users_email") => Err(UserConflict::EmailTaken),
            Err(error) => Err(StoreError::from(error).into()),
        }
    }

    #[tracing::instrument(level = "debug", name = "db.users.insert_invitation", skip_all)]
    async fn insert_invitation(
        &mut self,
        user: &User,
        token_hash: &[u8],
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.connection
            .sql(INSERT_INVITATION)
            .bind(self.tenant_id())
            .bind(user.id.as_uuid())
            .bind(&user.email)
            .bind(token_hash)
            .bind(expires_at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.users.update", skip_all)]
    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        let agent = AgentColumns::from(user.agent.as_ref());
        let written = self
            .connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(user.id.as_uuid())
            .bind(&user.email)
            .bind(&user.name)
            .bind(user.role.as_str())
            .bind(user.active)
            .bind(agent.is_agent)
            .bind(agent.state)
            .bind(agent.city)
            .bind(agent.specializations)
            .bind(agent.rating)
            .bind(agent.max_open_leads)
            .bind(user.updated_at)
            .bind(user.version)
            .execute()
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }
}
