use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::performance::StatementReport;
use fairlead_domain::performance::index_advice::{IndexAdvice, Verification};
use fairlead_domain::performance::plans::{
    AnalyseError, AnalyseQuery, Analysed, MOST_SQL_BYTES, Plan, QueryPlans, Run,
};
use fairlead_domain::store::StoreError;
use tokio::time::timeout;

use super::screen::{Screened, screen};
use super::turns::Turn;
use super::{Session, functions, known, verify};
use crate::error::{SqlError, unexpected};
use crate::nodes::Cluster;
use crate::wire::Error;

/// The server gives a statement up after so long,
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(800);
/// and whoever waits for the answer, after so long: what is left of two seconds is for its turn, and a busy machine.
const DEADLINE: Duration = Duration::from_millis(1_200);
/// How long the next one waits for its turn.
const WAIT: Duration = Duration::from_millis(200);

/// Asks the primary, as the role of requests.
pub struct PgQueryPlans {
    cluster: Arc<Cluster>,
}

impl PgQueryPlans {
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

impl fmt::Debug for PgQueryPlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgQueryPlans").finish_non_exhaustive()
    }
}

#[async_trait]
impl QueryPlans for PgQueryPlans {
    #[tracing::instrument(level = "debug", name = "db.plans.analyse", skip_all)]
    async fn analyse(&self, query: AnalyseQuery) -> Result<Analysed, AnalyseError> {
        if query.sql.len() > MOST_SQL_BYTES {
            return Err(AnalyseError::TooLong);
        }
        let screened = screen(&query.sql).map_err(AnalyseError::Refused)?;
        functions::refuse(&screened).map_err(AnalyseError::Refused)?;
        if query.run == Run::Executed {
            functions::refuse_to_run(&screened).map_err(AnalyseError::Refused)?;
        }
        if query.run == Run::Executed && screened.parameters > 0 {
            let why = "to be run it needs values in the place of its parameters";
            return Err(AnalyseError::Refused(why.to_owned()));
        }
        // What doubles with each turn fills memory and disk long before its time is over.
        if query.run == Run::Executed && screened.is_recursive {
            let why = "one that is recursive is planned and not run";
            return Err(AnalyseError::Refused(why.to_owned()));
        }
        let turn = self.cluster.planning().within(WAIT).await;
        let turn = turn.ok_or(AnalyseError::Busy)?;
        let asked = timeout(DEADLINE, self.ask(&query, &screened, turn)).await;
        asked.unwrap_or(Err(AnalyseError::TooSlow(DEADLINE)))
    }

    #[tracing::instrument(level = "debug", name = "db.plans.verify", skip_all)]
    async fn verify(
        &self,
        advice: &[IndexAdvice],
        statements: &[StatementReport],
    ) -> Result<Vec<Verification>, StoreError> {
        verify::verify(&self.cluster, advice, statements).await
    }

    #[tracing::instrument(level = "debug", name = "db.plans.costs", skip_all)]
    async fn costs(&self, texts: &[&str]) -> Result<Vec<Option<f64>>, StoreError> {
        verify::costs_now(&self.cluster, texts).await
    }
}

impl PgQueryPlans {
    async fn ask(
        &self,
        query: &AnalyseQuery,
        screened: &Screened,
        turn: Turn,
    ) -> Result<Analysed, AnalyseError> {
        let began = Instant::now();
        let target = self.cluster.app_pool().target();
        let mut session = Session::begin(turn, target, Some(query.tenant), STATEMENT_TIMEOUT)
            .await
            .map_err(own)?;
        let tables = known::look_up(&mut session, screened).await.map_err(own)?;
        let tables = tables.map_err(AnalyseError::Refused)?;
        let work = session
            .ask("SELECT pg_size_bytes(current_setting('work_mem'))")
            .await
            .map_err(own)?;
        let work: i64 = work.first().map_or(Ok(0), |row| row.try_get(0)).map_err(own)?;
        let plan = plan(&mut session, screened, query.run).await?;
        // Whatever it was, it is answered in its tenant, and of tables of the product alone.
        let tenant = session
            .ask("SELECT current_setting('app.current_tenant')")
            .await
            .map_err(own)?;
        let tenant: String = tenant
            .first()
            .map_or(Ok(String::new()), |row| row.try_get(0))
            .map_err(own)?;
        drop(session);
        if tenant != query.tenant.as_uuid().to_string() {
            return Err(unexpected("a statement that was analyzed has changed its tenant").into());
        }
        let nodes = plan.nodes();
        if let Some(node) = nodes
            .iter()
            .find(|node| node.relation.is_some() && node.schema.as_deref() != Some("public"))
        {
            let name = node.relation.as_deref().unwrap_or_default();
            return Err(AnalyseError::Refused(format!(
                "{name} is no table of the product"
            )));
        }
        drop(nodes);
        Ok(Analysed {
            plan,
            tables,
            compares_tenant: screened.compares_tenant,
            work_bytes: u64::try_from(work).unwrap_or_default(),
            took: began.elapsed(),
        })
    }
}

/// Has it planned, and run if that is asked for. One with parameters is prepared first, and planned for any values of them.
async fn plan(session: &mut Session, screened: &Screened, run: Run) -> Result<Plan, AnalyseError> {
    let text = &screened.text;
    let explain = match run {
        Run::PlannedOnly if screened.parameters > 0 => {
            let execute = session.prepare(text).await.map_err(of_statement)?;
            format!("EXPLAIN (FORMAT JSON, VERBOSE) {execute}")
        }
        Run::PlannedOnly => format!("EXPLAIN (FORMAT JSON, VERBOSE) {text}"),
        Run::Executed => format!("EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE) {text}"),
    };
    session.explain(&explain).await.map_err(of_statement)
}

fn own(error: Error) -> AnalyseError {
    match error.code() {
        Some("57014") => AnalyseError::TooSlow(STATEMENT_TIMEOUT),
        _ => AnalyseError::Store(SqlError::from(error).into()),
    }
}

/// What is wrong with the statement: the server's words where it speaks of names, of which it tells all that it does to
/// everybody, and none where it may show values.
fn of_statement(error: Error) -> AnalyseError {
    if matches!(error, Error::TooLong) {
        return AnalyseError::Refused("its plan is too long to be told: more than 4 MiB".to_owned());
    }
    // JSON is read to a certain depth.
    if matches!(error, Error::Column { .. }) {
        return AnalyseError::Refused("its plan is nested too deep to be told".to_owned());
    }
    let Some(code) = error.code().map(str::to_owned) else {
        return own(error);
    };
    let message = match code.as_bytes() {
        b"57014" | b"55P03" => return AnalyseError::TooSlow(STATEMENT_TIMEOUT),
        [b'4', b'2', ..] | [b'0', b'A', ..] => error.message().unwrap_or_default().to_owned(),
        // What the server takes for an error of its own, as it has no other word for it, comes of the statement as well.
        b"XX000" | [b'2', b'1' | b'2' | b'5', ..] | [b'5', b'3' | b'4', ..] => {
            "it fails when it is planned or run, at a value or a limit".to_owned()
        }
        _ => return own(error),
    };
    AnalyseError::Rejected { code, message }
}
