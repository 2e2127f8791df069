use std::fmt;
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::plans::Plan;
use fairlead_telemetry::spawn;
use tokio::runtime::Handle;

use super::tree;
use super::turns::Turn;
use crate::pool::Target;
use crate::wire::{Conversation, Error, Row};

/// How PostgreSQL lists these connections.
const PLANNING: &str = "fairlead-planning";

/// Who waits for a lock so long is in the way of others.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// A plan is told in a few kilobytes. What is longer has a text that the planner has put together.
const LONGEST_ANSWER: usize = 4 << 20;

/// One transaction that reads, on a connection of its own, which ends with it. Its turn ends when the server has let go of
/// the connection: not before, whoever stops waiting, as a planner looks up only now and then.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` once it was left.
    open: Option<Open>,
}

struct Open {
    conversation: Conversation,
    target: Target,
    turn: Turn,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("conversation", &self.conversation)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and begins. Each statement may take so long; without a tenant no row of a tenant is there for the
    /// application role.
    pub(crate) async fn begin(
        turn: Turn,
        target: &Target,
        tenant: Option<TenantId>,
        statement_timeout: Duration,
    ) -> Result<Self, Error> {
        let target = target.named(PLANNING);
        let mut conversation = target.open().await?;
        conversation.hear_at_most(LONGEST_ANSWER);
        let open = Some(Open {
            conversation,
            target,
            turn,
        });
        let mut session = Self { open };
        session.ask("BEGIN READ ONLY").await?;
        session.ask(&settings(tenant, statement_timeout)).await?;
        Ok(session)
    }

    /// Prepares a statement, and returns how it is executed for any values of them.
    pub(super) async fn prepare(&mut self, text: &str) -> Result<String, Error> {
        self.ask(&format!("PREPARE asked AS {text}")).await?;
        let known = self
            .ask("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'asked'")
            .await?;
        let parameters: i32 = known.first().map_or(Ok(0), |row| row.try_get(0))?;
        if parameters == 0 {
            return Ok("EXECUTE asked".to_owned());
        }
        let nothing = vec!["NULL"; usize::try_from(parameters).unwrap_or_default()];
        Ok(format!("EXECUTE asked ({})", nothing.join(", ")))
    }

    /// Forgets what was prepared.
    pub(super) async fn deallocate(&mut self) -> Result<(), Error> {
        self.ask("DEALLOCATE asked").await.map(drop)
    }

    /// Runs an EXPLAIN in JSON, and returns the plan.
    pub(crate) async fn explain(&mut self, text: &str) -> Result<Plan, Error> {
        let rows = self.ask(text).await?;
        let row = rows.first().ok_or(Error::Protocol("no plan"))?;
        tree::plan(&row.try_get(0)?).ok_or(Error::Protocol("a plan that this version cannot read"))
    }

    /// Runs a statement of our own.
    pub(crate) async fn ask(&mut self, text: &str) -> Result<Vec<Row>, Error> {
        let open = self.open.as_mut().ok_or(Error::Closed)?;
        open.conversation.ask(text).await
    }
}

/// Whatever it ended by: what still runs is cancelled, and the server waited for.
impl Drop for Session {
    fn drop(&mut self) {
        // Where nothing can wait any more, the process ends, and its connections with it.
        if let Some(open) = self.open.take()
            && Handle::try_current().is_ok()
        {
            spawn(leave(open));
        }
    }
}

async fn leave(open: Open) {
    let Open {
        conversation,
        target,
        turn,
    } = open;
    target.let_go(conversation).await;
    drop(turn);
}

/// What is local to the transaction. Names are looked up in the schema of the product alone, strings are what they look
/// like, and the same statement has the same plan each time.
fn settings(tenant: Option<TenantId>, statement_timeout: Duration) -> String {
    let tenant = tenant.map(|tenant| tenant.as_uuid().to_string());
    let settings = [
        ("app.current_tenant", tenant.unwrap_or_default()),
        ("statement_timeout", statement_timeout.as_millis().to_string()),
        ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()),
        ("search_path", "public".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("jit", "off".to_owned()),
        ("max_parallel_workers_per_gather", "0".to_owned()),
        ("plan_cache_mode", "force_generic_plan".to_owned()),
    ];
    let set = settings.map(|(name, value)| format!("set_config('{name}', '{value}', true)"));
    format!("SELECT {}", set.join(", "))
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_transaction_is_of_one_tenant_or_of_none() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let own = settings(Some(tenant), Duration::from_millis(1_500));

        assert!(own.contains("'app.current_tenant', '00000000-0000-0000-0000-000000000007', true"));
        assert!(own.contains("'statement_timeout', '1500', true"));
        assert!(settings(None, Duration::ZERO).contains("'app.current_tenant', '', true"));
    }
}
