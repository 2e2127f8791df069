use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use fairlead_domain::access::Reach;
use fairlead_domain::identity::{User, UserId};
use fairlead_domain::leads::{Assignments, LoadConflict, Reassignment, WantedAgent};
use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

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

const END_ASSIGNMENTS: &str = "
    UPDATE lead_assignments a SET status = 'ENDED', ended_at = c.at
    FROM unnest($2::uuid[], $3::timestamptz[]) AS c (lead_id, at)
    WHERE a.tenant_id = $1 AND a.lead_id = c.lead_id AND a.status = 'ACTIVE'";

const BEGIN_ASSIGNMENTS: &str = "
    INSERT INTO lead_assignments (tenant_id, id, lead_id, agent_id, status, assigned_by, assigned_at)
    SELECT $1, b.id, b.lead_id, b.agent_id, 'ACTIVE', b.assigned_by, b.assigned_at
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[])
         AS b (id, lead_id, agent_id, assigned_by, assigned_at)";

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

    #[tracing::instrument(level = "debug", name = "db.assignments.reassign", skip_all, fields(leads = changes.len()))]
    async fn reassign(&mut self, changes: &[Reassignment]) -> Result<(), StoreError> {
        let leads: Vec<Uuid> = changes.iter().map(|change| change.lead.as_uuid()).collect();
        let moments: Vec<OffsetDateTime> = changes.iter().map(|change| change.at).collect();
        let ended = self
            .connection
            .sql(END_ASSIGNMENTS)
            .bind(self.tenant_id())
            .bind(leads)
            .bind(moments);
        ended.execute().await?;

        let begun: Vec<(&Reassignment, Uuid)> = changes
            .iter()
            .filter_map(|change| Some((change, change.agent?.as_uuid())))
            .collect();
        if begun.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = begun.iter().map(|_| self.ids.next()).collect();
        let leads: Vec<Uuid> = begun.iter().map(|(change, _)| change.lead.as_uuid()).collect();
        let agents: Vec<Uuid> = begun.iter().map(|(_, agent)| *agent).collect();
        let by: Vec<Option<Uuid>> = begun
            .iter()
            .map(|(change, _)| change.by.user().map(fairlead_domain::Id::as_uuid))
            .collect();
        let moments: Vec<OffsetDateTime> = begun.iter().map(|(change, _)| change.at).collect();
        let statement = self.connection.sql(BEGIN_ASSIGNMENTS).bind(self.tenant_id());
        statement
            .bind(ids)
            .bind(leads)
            .bind(agents)
            .bind(by)
            .bind(moments)
            .execute()
            .await?;
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
