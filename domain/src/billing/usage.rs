use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{NewUsage, PaymentFault, PaymentProvider};
use crate::clock::Clock;
use crate::identity::TenantId;
use crate::jobs::{Done, Job, JobError, JobHandler};
use crate::store::StoreError;
use crate::upstreams::UpstreamFault;

/// Calls of the API that a tenant has made, about to be told the payment provider. The row is there before the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    pub tenant: TenantId,
    /// By it the provider knows the report again.
    pub id: Uuid,
    pub meter: String,
    pub customer: String,
    pub calls: u64,
    /// When they are said to have been made.
    pub used_at: OffsetDateTime,
    /// Since when the provider may have taken it; `None`: nobody has told it.
    pub asked_at: Option<OffsetDateTime>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageState {
    Pending,
    Done,
    /// The provider will not take it, whenever it is told.
    Refused,
    /// The provider may have taken it, and would not know it again.
    Unknown,
    /// The provider takes none that is as old.
    Late,
}

impl UsageState {
    /// Whether nobody will be billed for it.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Refused | Self::Unknown | Self::Late)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
            Self::Unknown => "UNKNOWN",
            Self::Late => "LATE",
        }
    }
}

/// Keeps what is reported, of all tenants.
#[async_trait]
pub trait UsageReports: Debug + Send + Sync {
    /// Writes a row for each customer of the provider that has made calls which no row has, in one transaction with the note
    /// that one has them: none for who has one that waits, or that is younger than `pause`, and none of months that had
    /// ended by `oldest`.
    async fn note(
        &self,
        meter: &str,
        now: OffsetDateTime,
        pause: Duration,
        oldest: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Takes the report that waits longest of those behind `last`, and writes down that the provider may have it from now on.
    /// It is returned as it was before.
    async fn take(
        &self,
        last: Option<(OffsetDateTime, Uuid)>,
        now: OffsetDateTime,
    ) -> Result<Option<(OffsetDateTime, UsageReport)>, StoreError>;

    /// Writes down what became of one, and since when the provider may have it; who runs this is told of one that will not
    /// be billed.
    async fn settle(
        &self,
        report: &UsageReport,
        state: UsageState,
        asked_at: Option<OffsetDateTime>,
        fault: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Removes those that were taken, and are older than this.
    async fn forget(&self, before: OffsetDateTime) -> Result<(), StoreError>;
}

/// Tells the payment provider how many calls of the API tenants have made, so that they can be billed by it.
///
/// A report may be told again under its id for as long as the provider is sure to know that: a day. One of which nobody
/// knows by then whether it was taken is told no more, since it is better that nobody pays for some calls than twice.
#[derive(Clone, Debug)]
pub struct ReportUsage {
    reports: Arc<dyn UsageReports>,
    provider: Arc<dyn PaymentProvider>,
    clock: Arc<dyn Clock>,
    meter: String,
    /// For how long it goes on; the next run does the rest.
    at_most: Duration,
}

impl ReportUsage {
    pub const KIND: &'static str = "report-usage";
    /// How often a tenant's calls become a row.
    const PAUSE: Duration = Duration::from_mins(55);
    /// The provider knows an id again within a day at least.
    const KNOWN_FOR: time::Duration = time::Duration::hours(23);
    /// The provider takes what is 35 days old.
    const TAKEN_FOR: time::Duration = time::Duration::days(34);
    /// For how long those are kept that were taken: a bill may be asked about.
    const KEPT_FOR: time::Duration = time::Duration::days(400);

    pub fn new(
        reports: Arc<dyn UsageReports>,
        provider: Arc<dyn PaymentProvider>,
        clock: Arc<dyn Clock>,
        meter: String,
        at_most: Duration,
    ) -> Self {
        Self {
            reports,
            provider,
            clock,
            meter,
            at_most,
        }
    }

    /// Tells the provider of one, where it is to be told.
    async fn report(&self, report: &UsageReport, now: OffsetDateTime) -> Result<(), StoreError> {
        let is_in_doubt = report.asked_at.is_some();
        let outcome = if report.asked_at.is_some_and(|asked| now - asked > Self::KNOWN_FOR) {
            Outcome::ended(UsageState::Unknown, "nobody knows whether it was taken")
        } else if now - report.used_at > Self::TAKEN_FOR {
            let state = if is_in_doubt {
                UsageState::Unknown
            } else {
                UsageState::Late
            };
            Outcome::ended(state, "the provider takes none that is as old")
        } else {
            self.tell(report).await
        };
        // Where nobody was told, what was known before is so still.
        let asked_at = report.asked_at.or(outcome.was_told.then_some(now));
        let fault = outcome.fault.as_deref();
        self.reports.settle(report, outcome.state, asked_at, fault).await
    }

    async fn tell(&self, report: &UsageReport) -> Outcome {
        let usage = NewUsage {
            meter: &report.meter,
            customer: &report.customer,
            value: report.calls,
            at: report.used_at,
        };
        match self.provider.report_usage(&report.id.to_string(), &usage).await {
            Ok(()) => Outcome {
                state: UsageState::Done,
                fault: None,
                was_told: true,
            },
            Err(PaymentFault::Refused(why)) => Outcome {
                was_told: true,
                ..Outcome::ended(UsageState::Refused, &why)
            },
            Err(PaymentFault::Later { fault, .. }) => Outcome {
                state: UsageState::Pending,
                fault: Some(fault.to_string()),
                // A call that fails on the other side may have had its effect, whatever it is answered with.
                was_told: !fault.is_free() || matches!(fault, UpstreamFault::Failed(_)),
            },
        }
    }
}

struct Outcome {
    state: UsageState,
    fault: Option<String>,
    /// Whether the provider may have heard of it.
    was_told: bool,
}

impl Outcome {
    /// That nothing more comes of it, by itself without anybody being told.
    fn ended(state: UsageState, why: &str) -> Self {
        Self {
            state,
            fault: Some(why.to_owned()),
            was_told: false,
        }
    }
}

#[async_trait]
impl JobHandler for ReportUsage {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    async fn run(&self, _: &Job) -> Result<Done, JobError> {
        let (begun, now) = (Instant::now(), self.clock.now());
        self.reports
            .note(&self.meter, now, Self::PAUSE, now - Self::TAKEN_FOR)
            .await?;
        let mut last = None;
        // Those that wait are told by the next run, also while the provider is not asked.
        while begun.elapsed() < self.at_most && self.provider.closed_for().is_none() {
            let now = self.clock.now();
            let Some((created_at, report)) = self.reports.take(last, now).await? else {
                break;
            };
            self.report(&report, now).await?;
            last = Some((created_at, report.id));
        }
        self.reports.forget(now - Self::KEPT_FOR).await?;
        Ok(Done::Now)
    }
}
