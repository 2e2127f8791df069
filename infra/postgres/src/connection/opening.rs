use std::time::Duration;

use fairlead_domain::store::StoreError;

use super::Reach;
use crate::statement::{Arguments, Statement};

const BEGIN: &str = "BEGIN READ WRITE";
const OF_TENANT: &str =
    "SELECT set_config('app.current_tenant', $1, true), set_config('statement_timeout', $2, true)";
const OF_SYSTEM: &str = "SELECT set_config('statement_timeout', $1, true)";

/// What opens a transaction, with the settings that are local to it.
///
/// A connection reads only by default ([`Target`](crate::pool::Target)), so what writes says so. What reads begins
/// nothing: its settings and its statement are sent together, and so are one transaction, which ends with the answer.
pub(super) fn opening(reach: Reach, statement_timeout: Duration) -> Result<Vec<Statement>, StoreError> {
    let milliseconds = statement_timeout.as_millis().to_string();
    let mut arguments = Arguments::default();
    let (begins, settings) = match reach {
        Reach::Read(tenant) => {
            arguments.push(tenant.as_uuid().to_string());
            (false, OF_TENANT)
        }
        Reach::Write(tenant) => {
            arguments.push(tenant.as_uuid().to_string());
            (true, OF_TENANT)
        }
        Reach::System => (true, OF_SYSTEM),
    };
    arguments.push(milliseconds);
    let begin = begins.then(|| Statement::bare(BEGIN));
    let settings = Statement::new(settings, arguments)?;
    Ok(begin.into_iter().chain([settings]).collect())
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    fn texts(reach: Reach) -> Vec<(String, Vec<String>)> {
        let statements = opening(reach, Duration::from_millis(1500)).unwrap();
        let told = |statement: &Statement| {
            let values = statement.arguments().iter().flatten();
            let values = values.map(|value| String::from_utf8_lossy(value).into_owned());
            (statement.text().to_owned(), values.collect())
        };
        statements.iter().map(told).collect()
    }

    #[test]
    fn a_transaction_is_opened_with_its_tenant_and_time_limit() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let settings = |text: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned());
            (text.to_owned(), values.collect::<Vec<_>>())
        };
        let of_tenant = settings(OF_TENANT, &["00000000-0000-0000-0000-000000000007", "1500"]);
        let begin = settings(BEGIN, &[]);

        assert_eq!(texts(Reach::Write(tenant)), [begin.clone(), of_tenant.clone()]);
        assert_eq!(texts(Reach::Read(tenant)), [of_tenant]);
        assert_eq!(texts(Reach::System), [begin, settings(OF_SYSTEM, &["1500"])]);
    }
}
