use std::fmt::Write as _;

use async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
use sea_orm_migration::sea_orm::ConnectionTrait as _;
use sha2::{Digest as _, Sha256};

use crate::bootstrap;
use crate::migrate::LOCK_TIMEOUT;

/// One SQL file. A shipped file is never edited: what follows is another file.
///
/// It is applied in a transaction, unless it is one `CREATE INDEX CONCURRENTLY`, which cannot be: for a table to which
/// much is written.
struct Step {
    name: &'static str,
    sql: &'static str,
}

impl Step {
    /// The name of the index that is all that it makes, while others write.
    fn built_beside(&self) -> Option<&'static str> {
        self.code()
            .next()?
            .strip_prefix("CREATE INDEX CONCURRENTLY ")?
            .split(' ')
            .next()
            .filter(|name| *name != "IF")
    }

    /// Its lines that are no comments.
    fn code(&self) -> impl Iterator<Item = &'static str> {
        let lines = self.sql.lines().map(str::trim_start);
        lines.filter(|line| !line.is_empty() && !line.starts_with("--"))
    }
}

macro_rules! steps {
    ($($name:literal),* $(,)?) => {
        &[$(Step { name: $name, sql: include_str!(concat!("sql/", $name, ".sql")) }),*]
    };
}

const STEPS: &[Step] = steps![
    "m20261121_000100_extensions",
    "m20261121_000200_tenants_users",
    "m20261121_000300_credentials_sessions",
    "m20261121_000400_leads",
    "m20261121_000500_carriers",
    "m20261121_000600_events_audit",
    "m20261121_000700_lead_statistics",
    "m20261121_000800_search_plan",
    "m20261121_000900_count_leads",
    "m20261121_001000_event_readers",
    "m20261121_001100_event_consumers",
    "m20261121_001200_jobs",
    "m20261121_001300_job_schedules",
    "m20261122_000100_operations",
    "m20261122_000200_webhooks",
    "m20261122_000300_operation_requests",
    "m20261122_000400_operation_outputs",
    "m20261122_000500_repair_agent_loads",
    "m20261122_000600_webhook_care",
    "m20261122_000700_event_places",
    "m20261122_000800_take_up_events",
    "m20261122_002000_ai_calls",
    "m20261122_003000_billing",
    "m20261122_003100_lead_subscriptions",
    "m20261122_003200_plan_limits",
    "m20261122_004000_ai_call_bounds",
    "m20261122_005000_kept_answers",
    "m20261122_005010_needed_events",
    "m20261122_005100_replays_expire",
    "m20261122_005200_astray_events",
    "m20261122_005300_abandoned_deliveries",
    "m20261122_006000_performance_samples",
    "m20261122_006100_tenant_usage",
    "m20261123_000100_tenant_calls",
    "m20261123_000200_jobs_aside",
    "m20261123_000300_received_timeline",
    "m20261123_005000_replays_go_on",
    "m20261123_005100_drop_months_at_once",
    "m20261123_010000_alerts",
    "m20261123_030000_usage_reports",
    "m20261123_040100_hold_event_month",
    "m20261123_050000_web_vitals",
    "m20261123_050010_samples_of_vitals",
    "m20261123_050020_samples_of_vitals_hold",
    "m20261123_060000_jobs_dead",
    "m20261123_070000_alerts_opened_at",
    "m20261124_000100_acts",
];

/// SHA-256 over all SQL, in hexadecimal: two databases that were made from the same files have the same schema.
pub fn digest() -> String {
    let mut hash = Sha256::new();
    hash.update(bootstrap::TEMPLATE);
    for step in STEPS {
        hash.update(step.name);
        hash.update(step.sql);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
    }
    hex
}

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        STEPS
            .iter()
            .map(|step| Box::new(SqlFile(step)) as Box<dyn MigrationTrait>)
            .collect()
    }
}

struct SqlFile(&'static Step);

impl MigrationName for SqlFile {
    fn name(&self) -> &str {
        self.0.name
    }
}

#[async_trait]
impl MigrationTrait for SqlFile {
    fn use_transaction(&self) -> Option<bool> {
        self.0.built_beside().map(|_| false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let Some(index) = self.0.built_beside() else {
            return db.execute_unprepared(self.0.sql).await.map(drop);
        };
        // It waits for transactions that have begun before it, and nobody who reads or writes waits for it.
        db.execute_unprepared("SET lock_timeout = '10min'").await?;
        // Of a try that was broken off there is an index that is kept up to date and never used.
        db.execute_unprepared(&format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))
            .await?;
        db.execute_unprepared(self.0.sql).await?;
        db.execute_unprepared(LOCK_TIMEOUT).await.map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(format!(
            "{} cannot be taken back: migrations go forward only; write another one, or restore a backup",
            self.0.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_sql_file_is_a_step_in_the_order_of_the_names() {
        let mut files: Vec<String> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|file| file.starts_with('m'))
            .map(|file| file.trim_end_matches(".sql").to_owned())
            .collect();
        files.sort_unstable();

        let steps: Vec<&str> = STEPS.iter().map(|step| step.name).collect();

        assert_eq!(steps, files);
    }

    #[test]
    fn a_step_that_is_built_beside_others_is_one_statement_by_itself() {
        for step in STEPS {
            let code: String = step.code().collect();
            if code.contains("CONCURRENTLY") {
                assert!(step.built_beside().is_some(), "{}", step.name);
                assert_eq!(code.matches(';').count(), 1, "{}", step.name);
            }
        }
        let beside = STEPS.iter().filter_map(Step::built_beside);
        assert_eq!(beside.collect::<Vec<_>>(), ["jobs_dead"]);
    }

    #[test]
    fn the_digest_is_hexadecimal_and_stable() {
        let digest = digest();

        assert_eq!(digest.len(), 64);
        assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(digest, super::digest());
    }
}
