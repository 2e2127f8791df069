use fairlead_domain::billing::{Limits, Plan};
use fairlead_domain::store::StoreError;

use crate::system::PgSystemStore;

const KEEP: &str = "
    INSERT INTO plan_limits AS known (plan, max_leads, max_users, max_calls) VALUES ($1, $2, $3, $4)
    ON CONFLICT ON CONSTRAINT plan_limits_pkey DO UPDATE
    SET max_leads = EXCLUDED.max_leads, max_users = EXCLUDED.max_users, max_calls = EXCLUDED.max_calls
    WHERE (known.max_leads, known.max_users, known.max_calls)
        IS DISTINCT FROM (EXCLUDED.max_leads, EXCLUDED.max_users, EXCLUDED.max_calls)";

impl PgSystemStore {
    /// Has tenants held to these limits from now on, by whatever process writes.
    pub async fn keep_plan_limits(&self, limits: Limits) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        for plan in Plan::ALL {
            let number = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
            let of_plan = limits.of(plan);
            connection
                .sql(KEEP)
                .bind(plan.as_str())
                .bind(number(of_plan.leads))
                .bind(number(of_plan.users))
                .bind(number(of_plan.calls))
                .execute()
                .await?;
        }
        connection.commit().await?;
        Ok(())
    }
}
