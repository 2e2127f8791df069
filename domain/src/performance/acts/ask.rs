use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Act, ActId, ActState, Deed};
use crate::Id;
use crate::identity::OperatorAct;
use crate::jobs::{NewJob, Queue};
use crate::store::{StoreError, SystemUnitOfWork};

const ENTITY: &str = "act";

/// The job of an act.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ActJob {
    act: Uuid,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    New(Act),
    /// The same is waiting or under way.
    Before(Act),
}

/// Why nothing was done about an act.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("there is no act of this id")]
    Missing,
    #[error("the act is over")]
    Over,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActJob {
    pub const KIND: &'static str = "act";

    pub fn id(self) -> ActId {
        Id::from_uuid(self.act)
    }

    /// Its act, by the key of its job.
    pub fn of_key(key: &str) -> Option<ActId> {
        Uuid::try_parse(key).ok().map(Id::from_uuid)
    }

    fn of(act: ActId) -> NewJob {
        let job = Self { act: act.as_uuid() };
        NewJob::new(Queue::Maintenance, Self::KIND, &job).unique(act.to_string())
    }
}

/// Has something done, unless the same is waiting or under way.
pub async fn ask(
    uow: &mut dyn SystemUnitOfWork,
    deed: Deed,
    why: String,
    by: &str,
) -> Result<Asked, StoreError> {
    let id = Id::from_uuid(uow.next_id());
    let act = Act::new(id, deed, why, by.to_owned(), uow.now());
    if let Some(before) = uow.acts().insert(&act).await? {
        // It may be over meanwhile, and another one may be asked for then.
        let before = uow.acts().find(before).await?.ok_or(StoreError::Contended)?;
        return Ok(Asked::Before(before));
    }
    uow.jobs().enqueue(ActJob::of(id)).await?;
    audit(uow, by, "act_asked", &act).await?;
    Ok(Asked::New(act))
}

/// Takes note of what was done without being asked for.
pub async fn note(uow: &mut dyn SystemUnitOfWork, act: &Act) -> Result<(), StoreError> {
    uow.acts().insert(act).await.map(drop)
}

/// Has it not done, or broken off: whoever is at it looks once a second.
pub async fn cancel(uow: &mut dyn SystemUnitOfWork, operator: &str, id: ActId) -> Result<Act, ActError> {
    let mut act = uow.acts().hold(id).await?.ok_or(ActError::Missing)?;
    act.end(
        ActState::Cancelled,
        format!("{operator} has cancelled it"),
        uow.now(),
    );
    if !uow.acts().update(&act).await? {
        return Err(ActError::Over);
    }
    audit(uow, operator, "act_cancelled", &act).await?;
    Ok(act)
}

/// Notes that it was given up, and has what it may have left cleared away.
pub async fn fail(uow: &mut dyn SystemUnitOfWork, id: ActId) -> Result<(), StoreError> {
    let Some(mut act) = uow.acts().hold(id).await? else {
        return Ok(());
    };
    let why = act.outcome.take();
    let why = why.unwrap_or_else(|| "it was broken off each time it was tried; the log says why".to_owned());
    act.end(ActState::Failed, why, uow.now());
    uow.acts().update(&act).await?;
    uow.jobs().enqueue(ActJob::of(id)).await
}

async fn audit(
    uow: &mut dyn SystemUnitOfWork,
    operator: &str,
    action: &'static str,
    act: &Act,
) -> Result<(), StoreError> {
    let after = json!({ "act": act.id.as_uuid(), "kind": act.deed.kind(), "subject": act.deed.subject() });
    let act = OperatorAct {
        operator,
        action,
        entity: ENTITY,
        after,
    };
    uow.operators().audit(&act).await
}
