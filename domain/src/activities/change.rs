use time::OffsetDateTime;

use super::log::{MAX_BODY, MAX_SUBJECT};
use super::{Activity, ActivityId, ActivitySnapshot};
use crate::Expected;
use crate::access::{Permit, Reach, WriteActivities};
use crate::clock;
use crate::events::{Aggregate, Recorded};
use crate::field::Change;
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::text;

/// A partial update as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawActivityPatch {
    pub subject: Change<Option<String>>,
    pub body: Change<Option<String>>,
    pub occurred_at: Change<OffsetDateTime>,
}

/// A partial update whose every field is in order.
#[derive(Clone, Debug, Default)]
pub struct ActivityPatch {
    pub subject: Change<Option<String>>,
    pub body: Change<Option<String>>,
    pub occurred_at: Change<OffsetDateTime>,
}

impl ActivityPatch {
    pub fn parse(raw: RawActivityPatch) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let subject = raw
            .subject
            .try_map(|text| text.map(|text| text::line(&text, MAX_SUBJECT)).transpose());
        let body = raw
            .body
            .try_map(|text| text.map(|text| text::prose(&text, MAX_BODY)).transpose());
        let subject = faults.keep("subject", subject).unwrap_or_default();
        let body = faults.keep("body", body).unwrap_or_default();
        let occurred_at = raw.occurred_at.try_map(clock::stored);
        let occurred_at = faults.keep("occurredAt", occurred_at).unwrap_or_default();
        faults.finish()?;
        Ok(Self {
            subject,
            body,
            occurred_at,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeActivityError {
    #[error("there is no such activity")]
    NotFound,
    #[error("the activity has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error("status changes, assignments and scores are history and stay as they are")]
    Automatic,
    #[error("an agent changes its own activities alone")]
    OutOfReach,
    #[error("an activity has a subject, a body, or both")]
    Empty,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes an activity that a person wrote.
pub async fn update(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<WriteActivities>,
    id: ActivityId,
    expected: Expected,
    patch: ActivityPatch,
) -> Result<Activity, ChangeActivityError> {
    let before = find(uow, permit, id, expected).await?;
    let mut after = before.clone();
    patch.subject.apply(&mut after.subject);
    patch.body.apply(&mut after.body);
    patch.occurred_at.apply(&mut after.occurred_at);
    if after.subject.is_none() && after.body.is_none() {
        return Err(ChangeActivityError::Empty);
    }
    if after == before {
        return Ok(before);
    }
    uow.activities().update(&after).await?;
    after.version += 1;
    uow.record(
        Recorded::new(
            "activity_updated",
            Aggregate::Activity,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&ActivitySnapshot::from(&before))
        .after(&ActivitySnapshot::from(&after)),
    );
    Ok(after)
}

/// Deletes an activity that a person wrote.
pub async fn delete(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<WriteActivities>,
    id: ActivityId,
    expected: Expected,
) -> Result<(), ChangeActivityError> {
    let activity = find(uow, permit, id, expected).await?;
    uow.activities().delete(id).await?;
    uow.record(
        Recorded::new(
            "activity_deleted",
            Aggregate::Activity,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&ActivitySnapshot::from(&activity)),
    );
    Ok(())
}

async fn find(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<WriteActivities>,
    id: ActivityId,
    expected: Expected,
) -> Result<Activity, ChangeActivityError> {
    let activity = uow
        .activities()
        .find_for_update(id)
        .await?
        .ok_or(ChangeActivityError::NotFound)?;
    if !expected.matches(activity.revision()) {
        return Err(ChangeActivityError::Stale {
            current: activity.version,
        });
    }
    if activity.kind.is_automatic() {
        return Err(ChangeActivityError::Automatic);
    }
    match permit.reach() {
        Reach::OwnOrNobodys(agent) if activity.actor != Some(agent) => Err(ChangeActivityError::OutOfReach),
        Reach::OwnOrNobodys(_) | Reach::All => Ok(activity),
    }
}
