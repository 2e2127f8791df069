//! What the planner would make of indexes that are not there, where the extension `hypopg` is installed.
//! <https://hypopg.readthedocs.io>

use std::time::Duration;

use fairlead_domain::performance::StatementReport;
use fairlead_domain::performance::index_advice::{Costs, IndexAdvice, Verification};

use super::{Session, tree};
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
    cluster: &Cluster,
    advice: &[IndexAdvice],
    statements: &[StatementReport],
) -> Result<Vec<Verification>, SqlError> {
    let mut verified = Vec::with_capacity(advice.len());
    for of in advice {
        // A statement that fails ends its transaction, and an index that is only thought of its connection.
        let turn = cluster.planning().wait().await?;
        let target = cluster.app_pool().target();
        let mut session = Session::begin(turn, target, None, STATEMENT_TIMEOUT).await?;
        let outcome = one(&mut session, of, statements).await;
        drop(session);
        verified.push(match outcome {
            Ok(verification) => verification,
            Err(error) if error.message().is_some() => Verification::Unverified(format!(
                "the planner does not take it: {}",
                error.message().unwrap_or_default()
            )),
            Err(error) => return Err(error.into()),
        });
    }
    Ok(verified)
}

async fn one(
    session: &mut Session,
    advice: &IndexAdvice,
    statements: &[StatementReport],
) -> Result<Verification, Error> {
    let unverified = |why: &str| Ok(Verification::Unverified(why.to_owned()));
    let found = session.ask(HYPOPG).await?;
    let Some(schema) = found.first() else {
        return unverified("the extension hypopg is not installed");
    };
    let schema: String = schema.try_get(0)?;
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
        return unverified("the statements are not known any more");
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
        session.ask(&format!("PREPARE advised AS {text}")).await?;
        let known = session
            .ask("SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'advised'")
            .await?;
        let parameters: i32 = known.first().map_or(Ok(0), |row| row.try_get(0))?;
        let nothing = vec!["NULL"; usize::try_from(parameters).unwrap_or_default()].join(", ");
        let arguments = if nothing.is_empty() {
            String::new()
        } else {
            format!(" ({nothing})")
        };
        let answer = session
            .explain(&format!("EXPLAIN (FORMAT JSON) EXECUTE advised{arguments}"))
            .await?;
        let plan = tree::plan(&answer).ok_or(Error::Protocol("no plan"))?;
        whole += plan.root.total_cost;
        // One that is prepared does not learn of what is thought of meanwhile.
        session.ask("DEALLOCATE advised").await?;
    }
    Ok(whole)
}
