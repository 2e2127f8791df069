use std::collections::{BTreeMap, HashMap};

use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::access::Reach;
use fairlead_domain::identity::{User, UserId};
use fairlead_domain::leads::{Assignment, Assignments, LeadId, LoadConflict, WantedAgent};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::SqlError;
use crate::rows::FromRow as _;
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

// An array, not a join with `unnest`: of that the planner knows no size, and it reads all assignments of the tenant.
const END: &str = "
    UPDATE lead_assignments SET status = 'ENDED', ended_at = $3
    WHERE tenant_id = $1 AND lead_id = ANY ($2) AND status = 'ACTIVE'";

const BEGIN: &str = "
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

    #[tracing::instrument(level = "debug", name = "db.assignments.begin", skip_all, fields(leads = assignments.len()))]
    async fn begin(&mut self, assignments: &[Assignment]) -> Result<(), StoreError> {
        let column = Column(assignments);
        self.connection
            .sql(BEGIN)
            .bind(self.tenant_id())
            .bind(column.of(|_| self.ids.next()))
            .bind(column.of(|assignment| assignment.lead.as_uuid()))
            .bind(column.of(|assignment| assignment.agent.as_uuid()))
            .bind(column.of(|assignment| assignment.by.user().map(fairlead_domain::Id::as_uuid)))
            .bind(column.of(|assignment| assignment.at))
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.assignments.end", skip_all, fields(leads = leads.len()))]
    async fn end(&mut self, leads: &[LeadId], at: OffsetDateTime) -> Result<(), StoreError> {
        let leads: Vec<Uuid> = leads.iter().map(|lead| lead.as_uuid()).collect();
        self.connection
            .sql(END)
            .bind(self.tenant_id())
            .bind(leads)
            .bind(at)
            .enqueue()
            .await
    }
}

/// Takes one column out of the rows: `unnest` wants an array for each.
struct Column<'a>(&'a [Assignment]);

impl Column<'_> {
    fn of<T>(&self, value: impl Fn(&Assignment) -> T) -> Vec<T> {
        self.0.iter().map(value).collect()
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
        Ok(row.as_ref().map(User::from_row).transpose()?)
    }

    async fn why_not(&self, agent: UserId) -> Result<LoadConflict, StoreError> {
        let connection = &self.connection;
        let row = connection
            .sql(IS_AGENT)
            .bind(self.tenant_id())
            .bind(agent.as_uuid())
            .fetch_optional()
            .await?;
        let is_agent = |row: Row| row.try_get::<bool>(0).map_err(SqlError::from);
        Ok(match row.map(is_agent).transpose()? {
            Some(true) => LoadConflict::NoRoom(agent),
            Some(false) | None => LoadConflict::NotAnAgent(agent),
        })
    }
}
