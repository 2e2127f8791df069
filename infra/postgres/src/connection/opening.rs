use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use super::Reach;
use crate::statement::{Arguments, Statement};

const BEGIN: &str = "BEGIN READ WRITE";
const OF_TENANT: &str =
    "SELECT set_config('app.current_tenant', $1, true), set_config('statement_timeout', $2, true)";
const OF_TENANT_KEEPING_PLANS: &str = "SELECT set_config('app.current_tenant', $1, true), \
    set_config('statement_timeout', $2, true), set_config('plan_cache_mode', 'force_generic_plan', true)";
const OF_SYSTEM: &str = "SELECT set_config('statement_timeout', $1, true)";
const OF_SYSTEM_KEEPING_PLANS: &str = "SELECT set_config('statement_timeout', $1, true), \
    set_config('plan_cache_mode', 'force_generic_plan', true)";

/// What opens a transaction that begins with `statements`: BEGIN, and the settings that are local to it.
///
/// A connection reads only by default ([`Target`](crate::pool::Target)), so what writes says so.
pub(super) fn opening(
    reach: Reach,
    statements: &[&Statement],
    statement_timeout: Duration,
) -> Result<Vec<Statement>, StoreError> {
    let keep_plans = statements.iter().any(|statement| statement.keeps_plan());
    let settings = match reach {
        Reach::Write(tenant) => settings(OF_TENANT, Some(tenant), statement_timeout),
        Reach::System if keep_plans => settings(OF_SYSTEM_KEEPING_PLANS, None, statement_timeout),
        Reach::System => settings(OF_SYSTEM, None, statement_timeout),
    };
    Ok(vec![Statement::bare(BEGIN), settings?])
}

/// What stands before a statement that reads. Nothing is begun: they are sent together, and so are one transaction, which
/// ends with the answer.
pub(super) fn before(
    statement: &Statement,
    tenant: TenantId,
    statement_timeout: Duration,
) -> Result<Vec<Statement>, StoreError> {
    let text = if statement.keeps_plan() {
        OF_TENANT_KEEPING_PLANS
    } else {
        OF_TENANT
    };
    Ok(vec![settings(text, Some(tenant), statement_timeout)?])
}

fn settings(
    text: &'static str,
    tenant: Option<TenantId>,
    statement_timeout: Duration,
) -> Result<Statement, StoreError> {
    let mut arguments = Arguments::default();
    if let Some(tenant) = tenant {
        arguments.push(tenant.as_uuid().to_string());
    }
    arguments.push(statement_timeout.as_millis().to_string());
    Statement::new(text, arguments)
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(1500);

    fn texts(statements: &[Statement]) -> Vec<(String, Vec<String>)> {
        let told = |statement: &Statement| {
            let values = statement.arguments().iter().flatten();
            let values = values.map(|value| String::from_utf8_lossy(value).into_owned());
            (statement.text().to_owned(), values.collect())
        };
        statements.iter().map(told).collect()
    }

    fn text(text: &str, values: &[&str]) -> (String, Vec<String>) {
        let values = values.iter().map(|value| (*value).to_owned());
        (text.to_owned(), values.collect())
    }

    #[test]
    fn what_writes_is_begun_with_its_tenant_and_time_limit() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let begin = text(BEGIN, &[]);

        assert_eq!(
            texts(&opening(Reach::Write(tenant), &[], LIMIT).unwrap()),
            [
                begin.clone(),
                text(OF_TENANT, &["00000000-0000-0000-0000-000000000007", "1500"])
            ]
        );
        assert_eq!(
            texts(&opening(Reach::System, &[&Statement::bare("SELECT 1")], LIMIT).unwrap()),
            [begin.clone(), text(OF_SYSTEM, &["1500"])]
        );
        let kept = Statement::bare("SELECT 1").keeping_plan();
        assert_eq!(
            texts(&opening(Reach::System, &[&kept], LIMIT).unwrap()),
            [begin, text(OF_SYSTEM_KEEPING_PLANS, &["1500"])]
        );
    }

    #[test]
    fn what_reads_comes_behind_its_tenant_and_time_limit() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let read = Statement::bare("SELECT 1");
        let values = ["00000000-0000-0000-0000-000000000007", "1500"];

        let planned = before(&read, tenant, LIMIT).unwrap();
        assert_eq!(texts(&planned), [text(OF_TENANT, &values)]);
        let kept = before(&read.keeping_plan(), tenant, LIMIT).unwrap();
        assert_eq!(texts(&kept), [text(OF_TENANT_KEEPING_PLANS, &values)]);
    }
}
