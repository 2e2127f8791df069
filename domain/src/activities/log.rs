use time::OffsetDateTime;

use super::{Activity, ActivityKind, ActivitySnapshot};
use crate::Id;
use crate::access::{Permit, WriteActivities};
use crate::clock;
use crate::events::{Aggregate, Recorded};
use crate::invalid::{Faults, Invalid};
use crate::leads::LeadId;
use crate::store::{StoreError, UnitOfWork};
use crate::text;

pub(super) const MAX_SUBJECT: usize = 200;
pub(super) const MAX_BODY: usize = 10_000;

/// A new activity as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawActivity {
    pub kind: String,
    pub subject: Option<String>,
    pub body: Option<String>,
    /// `None`: now.
    pub occurred_at: Option<OffsetDateTime>,
}

/// A new activity whose every field is in order.
#[derive(Clone, Debug)]
pub struct ActivityDraft {
    pub kind: ActivityKind,
    pub subject: Option<String>,
    pub body: Option<String>,
    pub occurred_at: Option<OffsetDateTime>,
}

impl ActivityDraft {
    pub fn parse(raw: &RawActivity) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let kind = ActivityKind::parse(&raw.kind).filter(|kind| !kind.is_automatic());
        if kind.is_none() {
            faults.add("type", "must be one of NOTE, CALL, EMAIL, MEETING, TASK");
        }
        let subject = faults.keep_optional(
            "subject",
            raw.subject.as_deref().map(|text| text::line(text, MAX_SUBJECT)),
        );
        let body = faults.keep_optional(
            "body",
            raw.body.as_deref().map(|text| text::prose(text, MAX_BODY)),
        );
        if raw.subject.is_none() && raw.body.is_none() {
            faults.add("subject", "an activity has a subject, a body, or both");
        }
        let occurred_at = faults.keep_optional("occurredAt", raw.occurred_at.map(clock::stored));
        faults.finish()?;
        Ok(Self {
            kind: kind.unwrap_or(ActivityKind::Note),
            subject,
            body,
            occurred_at,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogActivityError {
    #[error("there is no such lead")]
    LeadNotFound,
    #[error("the lead is assigned to somebody else")]
    OutOfReach,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs what was done about a lead.
pub async fn log(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<WriteActivities>,
    lead: LeadId,
    draft: ActivityDraft,
) -> Result<Activity, LogActivityError> {
    let lead = uow
        .leads()
        .find(lead)
        .await?
        .ok_or(LogActivityError::LeadNotFound)?;
    if !permit.reach().covers(lead.assigned_to) {
        return Err(LogActivityError::OutOfReach);
    }
    let activity = Activity {
        id: Id::from_uuid(uow.next_id()),
        lead: lead.id,
        kind: draft.kind,
        subject: draft.subject,
        body: draft.body,
        actor: permit.actor().user(),
        occurred_at: draft.occurred_at.unwrap_or(uow.now()),
        version: 1,
        created_at: uow.now(),
    };
    uow.activities().insert(std::slice::from_ref(&activity)).await?;
    uow.record(
        Recorded::new(
            "activity_created",
            Aggregate::Activity,
            activity.id.as_uuid(),
            permit.actor(),
        )
        .after(&ActivitySnapshot::from(&activity)),
    );
    Ok(activity)
}
