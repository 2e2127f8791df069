//! What the planner would make of indexes that are not there, where the extension `hypopg` is installed.
//! <https://hypopg.readthedocs.io>

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::performance::StatementReport;
use fairlead_domain::performance::index_advice::{Costs, IndexAdvice, Verification};
use fairlead_domain::store::StoreError;

use super::Session;
use crate::error::SqlError;
use crate::nodes::Cluster;
use crate::wire::Error;

/// To plan a statement of ours takes milliseconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);
/// Of an index those statements are planned that save most.
const MOST_STATEMENTS: usize = 3;

/// The schema that the extension is in.
const HYPOPG: &str = "
    SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'hypopg'";

/// The tenant's own row security is planned for, whichever tenant it is: no value is looked at.
pub(super) async fn verify(
    cluster: &Arc<Cluster>,
    advice: &[IndexAdvice],
    statements: &[StatementReport],
) -> Result<Vec<Verification>, StoreError> {
    if advice.is_empty() {
        return Ok(Vec::new());
    }
    let connection = cluster.system();
    let found = connection.sql(HYPOPG).fetch_optional().await?;
    connection.commit().await?;
    let Some(found) = found else {
        let why = "the extension hypopg is not installed";
        return Ok(vec![Verification::Unverified(why.to_owned()); advice.len()]);
    };
    let schema: String = found.try_get(0).map_err(SqlError::from)?;
    let mut verified = Vec::with_capacity(advice.len());
    for of in advice {
        // A statement that fails ends its transaction, and an index that is only thought of its connection.
        let mut session = begin(cluster).await?;
        let outcome = one(&mut session, &schema, of, statements).await;
        drop(session);
        verified.push(match outcome {
            Ok(verification) => verification,
            Err(error) if error.message().is_some() => Verification::Unverified(format!(
                "the planner does not take it: {}",
                error.message().unwrap_or_default()
            )),
            Err(error) => return Err(SqlError::from(error).into()),
        });
    }
    Ok(verified)
}

/// What statements cost by the indexes that there are; `None` of those that the planner does not take.
pub(super) async fn costs_now(
    cluster: &Arc<Cluster>,
    texts: &[&str],
) -> Result<Vec<Option<f64>>, StoreError> {
    let mut costs = Vec::with_capacity(texts.len());
    for text in texts {
        // One that fails ends its transaction.
        let mut session = begin(cluster).await?;
        costs.push(match cost(&mut session, &[text]).await {
            Ok(cost) => Some(cost),
            Err(error) if error.message().is_some() => None,
            Err(error) => return Err(SqlError::from(error).into()),
        });
    }
    Ok(costs)
}

/// As the role of requests.
async fn begin(cluster: &Arc<Cluster>) -> Result<Session, StoreError> {
    let turn = cluster.planning().wait().await?;
    let target = cluster.app_pool().target();
    let session = Session::begin(turn, target, None, STATEMENT_TIMEOUT).await;
    Ok(session.map_err(SqlError::from)?)
}

async fn one(
    session: &mut Session,
    schema: &str,
    advice: &IndexAdvice,
    statements: &[StatementReport],
) -> Result<Verification, Error> {
    let served = advice.serves.iter().take(MOST_STATEMENTS);
    let texts: Vec<&str> = served
        .filter_map(|served| {
            let report = statements
                .iter()
                .find(|report| report.fingerprint.to_string() == served.fingerprint)?;
            Some(&*report.text)
        })
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() {
        let why = "the statements are not known any more";
        return Ok(Verification::Unverified(why.to_owned()));
    }
    let before = cost(session, &texts).await?;
    let index = format!("CREATE INDEX ON {}", advice.index).replace('\'', "''");
    session
        .ask(&format!(
            "SELECT count(*) FROM {schema}.hypopg_create_index('{index}')"
        ))
        .await?;
    let after = cost(session, &texts).await?;
    Ok(Verification::of(Costs { before, after }))
}

/// What statements are believed to cost, each once, whatever is bound to them.
async fn cost(session: &mut Session, texts: &[&str]) -> Result<f64, Error> {
    let mut whole = 0.0;
    for text in texts {
        let execute = session.prepare(text).await?;
        let plan = session
            .explain(&format!("EXPLAIN (FORMAT JSON) {execute}"))
            .await?;
        whole += plan.root.total_cost;
        // One that is prepared does not learn of what is thought of meanwhile.
        session.deallocate().await?;
    }
    Ok(whole)
}
