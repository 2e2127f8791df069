use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::identity::TenantId;
use crate::store::StoreError;

/// What a tenant has taken of what all share, within some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub requests: u64,
    /// Of these, those that failed on our side.
    pub failed: u64,
    /// Of these, those that count as calls of the API where a plan limits them: with an answer that is no failure of ours,
    /// no refusal for want of room or right to ask, and not "as before". They are added up by month, and not told by hour.
    pub calls: u64,
    /// From the head of each request to its answer.
    pub request_time: Duration,
    /// Of bodies, as far as requests told their length.
    pub received_bytes: u64,
    /// Of bodies; those of streams are not known.
    pub sent_bytes: u64,
    /// Of requests, as the two that follow.
    pub statements: u64,
    pub rows: u64,
    pub database_time: Duration,
    /// That jobs were worked on.
    pub job_time: Duration,
    /// That clients have stayed, by WebSocket or stream; of several at once the sum.
    pub stay_time: Duration,
}

/// What a tenant has taken, for those who see all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantTaken {
    pub tenant: TenantId,
    pub name: String,
    pub taken: Taken,
    /// That models have read and written, with what is reserved.
    pub ai_tokens: u64,
}

/// What all tenants have taken, hour by hour.
#[async_trait]
pub trait TenantLedger: fmt::Debug + Send + Sync {
    /// What all together have taken since the beginning of an hour, and those of them that took most of the database's
    /// time, the most first.
    async fn most_taken(
        &self,
        since: OffsetDateTime,
        most: u32,
    ) -> Result<(Taken, Vec<TenantTaken>), StoreError>;
}

impl Taken {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.failed += more.failed;
        self.calls += more.calls;
        self.request_time += more.request_time;
        self.received_bytes += more.received_bytes;
        self.sent_bytes += more.sent_bytes;
        self.statements += more.statements;
        self.rows += more.rows;
        self.database_time += more.database_time;
        self.job_time += more.job_time;
        self.stay_time += more.stay_time;
    }

    /// What was taken since it was as `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            calls: self.calls.saturating_sub(earlier.calls),
            request_time: self.request_time.saturating_sub(earlier.request_time),
            received_bytes: self.received_bytes.saturating_sub(earlier.received_bytes),
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
            statements: self.statements.saturating_sub(earlier.statements),
            rows: self.rows.saturating_sub(earlier.rows),
            database_time: self.database_time.saturating_sub(earlier.database_time),
            job_time: self.job_time.saturating_sub(earlier.job_time),
            stay_time: self.stay_time.saturating_sub(earlier.stay_time),
        }
    }
}
