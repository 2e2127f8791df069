use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{Plan, TableFacts};
use crate::identity::TenantId;
use crate::performance::StatementReport;
use crate::performance::index_advice::{IndexAdvice, Verification};
use crate::store::StoreError;

/// A statement that is longer is not read.
pub const MOST_SQL_BYTES: usize = 65_536;

/// A statement that is to be judged in one tenant.
#[derive(Clone, Debug)]
pub struct AnalyseQuery {
    pub tenant: TenantId,
    pub sql: String,
    pub run: Run,
}

/// Whether a statement is run, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    PlannedOnly,
    /// Its rows are counted and thrown away.
    Executed,
}

/// A plan, and what else it is judged by.
#[derive(Clone, Debug)]
pub struct Analysed {
    pub plan: Plan,
    /// The tables that it reads.
    pub tables: BTreeMap<String, TableFacts>,
    /// Whether the statement itself compares the tenant.
    pub compares_tenant: bool,
    /// How much memory a sort or a hash table may have.
    pub work_bytes: u64,
    /// Of all: to connect, to plan and to run.
    pub took: Duration,
}

/// Asks the server how it would run a statement.
#[async_trait]
pub trait QueryPlans: fmt::Debug + Send + Sync {
    /// Plans one SELECT, and runs it if that is asked for: as the role of requests, in the tenant alone, without writing,
    /// and within two seconds in all.
    async fn analyse(&self, query: AnalyseQuery) -> Result<Analysed, AnalyseError>;

    /// Tells of each index that is advised what the planner would make of it, for the statements that it would serve: by
    /// their texts, which were measured.
    async fn verify(
        &self,
        advice: &[IndexAdvice],
        statements: &[StatementReport],
    ) -> Result<Vec<Verification>, StoreError>;

    /// What each of these statements is believed to cost, for any values and with the indexes that there are; `None` of one
    /// that the role of requests may not plan.
    async fn costs(&self, texts: &[&str]) -> Result<Vec<Option<f64>>, StoreError>;
}

/// Why a statement is not judged.
#[derive(Debug, thiserror::Error)]
pub enum AnalyseError {
    /// It is not read.
    #[error("a statement has at most {MOST_SQL_BYTES} bytes")]
    TooLong,
    /// It is none of those that are planned here.
    #[error("{0}")]
    Refused(String),
    /// The server does not take it.
    #[error("the server says: {message} ({code})")]
    Rejected { code: String, message: String },
    /// To plan or to run it takes longer than it may.
    #[error("it takes longer than {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// As many are under way as may be.
    #[error("as many statements are analyzed as may be at once")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}
