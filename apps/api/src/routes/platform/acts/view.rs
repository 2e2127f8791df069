use fairlead_domain::performance::acts::{Act, ActState, Deed, Figures, Progress};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What is done.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ActKind {
    /// Dead rows of a table are cleared away, and the planner learns what it has.
    Vacuum,
    /// An index is built while others write, judged, and dropped again where it does not pay.
    BuildIndex,
    /// Months of events are archived.
    ArchiveEvents,
    /// A process gives memory back, because it runs out.
    ReleaseMemory,
}

/// `waiting` and `running` are not over. `reverted`: it was done and taken back, because it did not pay.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ActState)]
pub(super) enum ActStateName {
    Waiting,
    Running,
    Done,
    Reverted,
    Failed,
    Cancelled,
}

/// Something that is done to have the database fast.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Act, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "kind": "build-index", "subject": "idx_leads_tenant_id_company_5d1c0a2f",
    "table": "leads", "statement": "CREATE INDEX CONCURRENTLY idx_leads_tenant_id_company_5d1c0a2f ON leads (tenant_id, company)",
    "why": "it is suggested", "askedBy": "olga", "askedAt": "2026-11-24T09:00:00Z", "state": "done",
    "begunAt": "2026-11-24T09:00:00Z", "endedAt": "2026-11-24T09:05:12Z", "progress": null,
    "before": {"plannedCost": 4120.0, "readCalls": 812.0, "readMeanMs": 41.2, "writeCalls": 90.0, "writeMeanMs": 1.1},
    "after": {"plannedCost": 12.4, "readCalls": 640.0, "readMeanMs": 0.8, "writeCalls": 71.0, "writeMeanMs": 1.2,
              "indexBytes": 9_400_000.0, "indexScans": 640.0},
    "outcome": "its statements took 0.80 ms instead of 41.20 ms",
    "migration": {
        "up": "-- Built as an act, and kept: its statements took 0.80 ms instead of 41.20 ms.\nCREATE INDEX IF NOT EXISTS …;\n",
        "down": "DROP INDEX IF EXISTS idx_leads_tenant_id_company_5d1c0a2f;\n",
    },
}))]
pub(in super::super) struct ActView {
    id: Uuid,
    kind: ActKind,
    /// The table that is vacuumed, the name of the index, or that of the process.
    subject: String,
    #[schema(required = true)]
    table: Option<String>,
    /// Of an index what would build it under its own name.
    #[schema(required = true)]
    statement: Option<String>,
    why: String,
    /// The operator, or the schedule.
    asked_by: String,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
    state: ActStateName,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    begun_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    ended_at: Option<OffsetDateTime>,
    /// While it is under way; `null` in its first second.
    #[schema(required = true)]
    progress: Option<ProgressView>,
    /// What was measured before: of a process its bytes, of a table its rows and bytes, of an index what its statements cost by the planner, and
    /// what they and the writes to its table took in the process that was at it, since its start.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    before: Figures,
    /// The same afterwards: of an index since it was there.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    after: Figures,
    /// What came of it so far, and why.
    #[schema(required = true)]
    outcome: Option<String>,
    /// Of an index that was built and stays: the step of the schema by which other installations get it.
    #[schema(required = true)]
    migration: Option<StepView>,
}

/// What is to stand in a file of `migrations/src/sql`, and what takes it back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActMigration)]
struct StepView {
    up: String,
    down: String,
}

/// How far it has come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActProgress, example = json!({"phase": "scanning heap", "done": 1200, "of": 48_000}))]
struct ProgressView {
    /// As PostgreSQL calls it; `watching` while a new index is judged.
    phase: String,
    /// Blocks, and seconds while it is `watching`; `null`: the server does not say.
    #[schema(required = true, minimum = 0)]
    done: Option<u64>,
    #[schema(required = true, minimum = 0)]
    of: Option<u64>,
}

impl From<Act> for ActView {
    fn from(act: Act) -> Self {
        let (kind, statement) = match &act.deed {
            Deed::Vacuum { .. } => (ActKind::Vacuum, None),
            Deed::BuildIndex(index) => (
                ActKind::BuildIndex,
                Some(format!(
                    "CREATE INDEX CONCURRENTLY {} ON {}",
                    index.name, index.definition
                )),
            ),
            Deed::ArchiveEvents { .. } => (ActKind::ArchiveEvents, None),
            Deed::ReleaseMemory { .. } => (ActKind::ReleaseMemory, None),
        };
        let migration = match (&act.deed, act.state, &act.outcome) {
            (Deed::BuildIndex(index), ActState::Done, Some(outcome)) if !act.after.is_empty() => {
                let (up, down) = index.migration(outcome);
                Some(StepView { up, down })
            }
            _ => None,
        };
        Self {
            id: act.id.as_uuid(),
            kind,
            subject: act.deed.subject().to_owned(),
            table: act.deed.table().map(str::to_owned),
            statement,
            why: act.why,
            asked_by: act.asked_by,
            asked_at: act.asked_at,
            state: act.state.into(),
            begun_at: act.begun_at,
            ended_at: act.ended_at,
            progress: act.progress.map(ProgressView::from),
            before: act.before,
            after: act.after,
            outcome: act.outcome,
            migration,
        }
    }
}

impl From<Progress> for ProgressView {
    fn from(Progress { phase, done, of }: Progress) -> Self {
        Self { phase, done, of }
    }
}

impl From<ActState> for ActStateName {
    fn from(state: ActState) -> Self {
        match state {
            ActState::Waiting => Self::Waiting,
            ActState::Running => Self::Running,
            ActState::Done => Self::Done,
            ActState::Reverted => Self::Reverted,
            ActState::Failed => Self::Failed,
            ActState::Cancelled => Self::Cancelled,
        }
    }
}
