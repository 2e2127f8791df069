use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use fairlead_domain::access::{Actor, Reach};
use fairlead_domain::identity::{User, UserId};
use fairlead_domain::leads::{Assignments, LeadId, LoadConflict, WantedAgent};
use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

use crate::entity::{model, user};
use crate::error::SqlError;
use crate::store::PgUnitOfWork;

const LOCK_ASSIGNING: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('agents.assign', 0) # hashtextextended($1::text, 0))";

macro_rules! best_agent {
    ($lock:literal) => {
        concat!(
            "SELECT tenant_id, id, email, name, role, active, is_agent, state, city, specializations, rating,
                    max_open_leads, open_leads, version, created_at, updated_at
             FROM users
             WHERE tenant_id = $1 AND is_agent AND active AND open_leads < max_open_leads
               AND ($2::uuid IS NULL OR id = $2)
             ORDER BY COALESCE((state = $3)::int, 0) + COALESCE(($4 = ANY (specializations))::int, 0) DESC,
                      rating DESC, open_leads, id
             LIMIT 1",
            $lock
        )
    };
}

const BEST_AGENT: &str = best_agent!("");
const LOCK_BEST_AGENT: &str = best_agent!(" FOR NO KEY UPDATE");

// Takes load off whoever carries it, also from someone who takes leads no more.
const LESSEN_LOAD: &str = "
    UPDATE users SET open_leads = GREATEST(0, open_leads + $3) WHERE tenant_id = $1 AND id = $2";

const ADD_LOAD: &str = "
    UPDATE users SET open_leads = open_leads + $3
    WHERE tenant_id = $1 AND id = $2 AND is_agent AND active AND open_leads + $3 <= max_open_leads";

const IS_AGENT: &str = "SELECT is_agent AND active FROM users WHERE tenant_id = $1 AND id = $2";

const END_ASSIGNMENT: &str = "
    UPDATE lead_assignments SET status = 'ENDED', ended_at = $3
    WHERE tenant_id = $1 AND lead_id = $2 AND status = 'ACTIVE'";

const BEGIN_ASSIGNMENT: &str = "
    INSERT INTO lead_assignments (tenant_id, id, lead_id, agent_id, status, assigned_by, assigned_at)
    VALUES ($1, $2, $3, $4, 'ACTIVE', $5, $6)";

/// How often the best agent may be filled up by assignments to a named agent before the caller is asked to come again.
const ATTEMPTS: usize = 10;

#[async_trait]
impl Assignments for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.assignments.find_agent", skip_all)]
    async fn find_agent(&mut self, wanted: &WantedAgent) -> Result<Option<User>, StoreError> {
        self.connection
            .sql(LOCK_ASSIGNING)
            .bind(self.tenant_id())
            .execute()
            .await?;
        for _ in 0..ATTEMPTS {
            if let Some(agent) = self.best_agent(LOCK_BEST_AGENT, wanted).await? {
                return Ok(Some(agent));
            }
            // Nobody has room; or the best one was filled up while we waited for its lock, and then the next may do.
            if self.best_agent(BEST_AGENT, wanted).await?.is_none() {
                return Ok(None);
            }
        }
        Err(StoreError::Contended)
    }

    #[tracing::instrument(level = "debug", name = "db.assignments.change_load", skip_all)]
    async fn change_load(&mut self, changes: &HashMap<UserId, i32>) -> Result<(), LoadConflict> {
        let in_order: BTreeMap<UserId, i32> =
            changes.iter().map(|(agent, change)| (*agent, *change)).collect();
        for (agent, change) in in_order {
            let text = if change > 0 { ADD_LOAD } else { LESSEN_LOAD };
            let changed = self
                .connection
                .sql(text)
                .bind(self.tenant_id())
                .bind(agent.as_uuid())
                .bind(change)
                .execute()
                .await
                .map_err(StoreError::from)?;
            if changed == 0 {
                return Err(self.why_not(agent).await?);
            }
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.assignments.reassign", skip_all)]
    async fn reassign(
        &mut self,
        lead: LeadId,
        agent: Option<UserId>,
        by: Actor,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let connection = &self.connection;
        connection
            .sql(END_ASSIGNMENT)
            .bind(self.tenant_id())
            .bind(lead.as_uuid())
            .bind(at)
            .execute()
            .await?;
        if let Some(agent) = agent {
            connection
                .sql(BEGIN_ASSIGNMENT)
                .bind(self.tenant_id())
                .bind(self.ids.next())
                .bind(lead.as_uuid())
                .bind(agent.as_uuid())
                .bind(by.user().map(fairlead_domain::Id::as_uuid))
                .bind(at)
                .execute()
                .await?;
        }
        Ok(())
    }
}

impl PgUnitOfWork {
    async fn best_agent(&self, text: &'static str, wanted: &WantedAgent) -> Result<Option<User>, StoreError> {
        let only = match wanted.reach {
            Some(Reach::OwnOrNobodys(agent)) => Some(agent.as_uuid()),
            Some(Reach::All) | None => None,
        };
        let row = self
            .connection
            .sql(text)
            .bind(self.tenant_id())
            .bind(only)
            .bind(&wanted.state)
            .bind(&wanted.specialization)
            .fetch_optional()
            .await?;
        row.map(|row| User::try_from(model::<user::Model>(row)?))
            .transpose()
    }

    async fn why_not(&self, agent: UserId) -> Result<LoadConflict, StoreError> {
        let connection = &self.connection;
        let row = connection
            .sql(IS_AGENT)
            .bind(self.tenant_id())
            .bind(agent.as_uuid())
            .fetch_optional()
            .await?;
        let is_agent = |row: PgRow| row.try_get::<bool, _>(0).map_err(SqlError::from);
        Ok(match row.map(is_agent).transpose()? {
            Some(true) => LoadConflict::NoRoom(agent),
            Some(false) | None => LoadConflict::NotAnAgent(agent),
        })
    }
}
