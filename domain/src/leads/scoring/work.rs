use super::{BadScoringRequest, ScoringJob, ScoringRequest};
use crate::Expected;
use crate::access::{Permit, ScoreLeads};
use crate::ai::{Asker, Degraded};
use crate::events::Source;
use crate::jobs::Ticket;
use crate::leads::{Judged, LeadId, Scoring, UpdateLeadError, begin_score};
use crate::operations::{
    Course, Operation, OperationId, RowFault, Step, StepError, Tally, Turn, course, give_up, hand_on,
    snapshot,
};
use crate::store::UnitOfWork;

/// How often a run waits for a provider before it is given up: for about a day.
pub const MAX_WAITS: u32 = 290;

/// A run, and the place in it that comes next.
#[derive(Clone, Debug)]
pub struct Run {
    request: ScoringRequest,
    /// How many leads are done.
    place: u64,
}

/// What is to be done about the lead that comes next.
#[derive(Debug)]
pub enum Next {
    /// It is to be asked.
    Ask(Box<Scoring>),
    /// Nothing is to be asked: there is no such lead, none is left, or nobody wants it any more.
    Nothing,
    /// The provider is not called for now, so the run waits.
    Wait,
}

/// What has become of it.
#[derive(Debug)]
pub enum Asked {
    Judged(Box<Judged>),
    Nothing,
    Away,
}

/// What a lead came to.
enum Verdict {
    Done,
    Failed(String),
}

/// Finds where a run stands.
pub async fn resume(uow: &mut dyn UnitOfWork, operation: &Operation) -> Result<Run, StepError> {
    let kept = uow.operations().request(operation.id()).await?;
    Ok(Run {
        request: ScoringRequest::parse(&kept.ok_or(BadScoringRequest::Missing)?)?,
        place: operation.record().done,
    })
}

/// Finds the lead that comes next, and reserves what it may take to ask. The unit of work is to be committed before anybody
/// is asked.
pub async fn prepare(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    asker: &Asker,
    operation: OperationId,
    run: &Run,
) -> Result<Next, StepError> {
    let Some(lead) = run.next() else {
        return Ok(Next::Nothing);
    };
    // What nobody wants any more is not paid for.
    if course(uow, operation).await? != Course::GoesOn {
        return Ok(Next::Nothing);
    }
    if asker.is_away() {
        return Ok(Next::Wait);
    }
    match begin_score(uow, &permit.of_each(), asker, lead, Expected::Any).await {
        Ok(scoring) => Ok(Next::Ask(Box::new(scoring.strictly()))),
        Err(UpdateLeadError::Store(error)) => Err(error.into()),
        // What else is wrong with it is told when it is written.
        Err(_) => Ok(Next::Nothing),
    }
}

/// Writes the score of one lead, and moves the operation on, both to become durable together; or has the run wait, or ends
/// it. What was spent is written down whatever becomes of the lead.
pub async fn write(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    (job, ticket): (&mut ScoringJob, &Ticket),
    run: &mut Run,
    asked: Asked,
    turn: Turn,
) -> Result<Step, StepError> {
    if let Asked::Judged(judged) = &asked {
        judged.settle(uow).await?;
    }
    let id = job.operation();
    match course(uow, id).await? {
        Course::GoesOn => {}
        Course::Stops => return stop(uow, permit, id).await,
        Course::Stopped => return Ok(Step::Stopped),
    }
    let found = uow.operations().find_for_update(id).await?;
    let before = found
        .filter(|operation| !operation.has_ended())
        .ok_or(StepError::Lost)?;
    // Two workers may both believe to have the job: who comes second goes on behind the other.
    if before.record().done != run.place {
        run.place = before.record().done;
        return Ok(Step::Done);
    }
    let Some(lead) = run.next() else {
        return complete(uow, permit, ticket, &before, before.clone()).await;
    };
    let verdict = match asked {
        Asked::Away => return wait(uow, permit, (job, ticket), &before).await,
        Asked::Nothing => Verdict::Failed(format!("there is no lead {lead}")),
        Asked::Judged(judged) => match judged.refusal() {
            Some(Degraded::Unavailable(_)) => return wait(uow, permit, (job, ticket), &before).await,
            Some(Degraded::BudgetSpent) => {
                let why = "the tenant has used up what it may spend on models in a month: begin another run in the next one, \
                           over those that are left";
                give_up(uow, id, permit.actor(), why).await?;
                uow.jobs().finish(ticket).await?;
                return Ok(Step::GivenUp);
            }
            Some(Degraded::InvalidAnswer) => Verdict::Failed(format!(
                "the model has said nothing of lead {lead} that can be read"
            )),
            Some(Degraded::NotConfigured) | None => score(uow, permit, lead, &judged).await?,
        },
    };
    job.note_answer();
    advance(uow, permit, (job, ticket), run, before, verdict, turn).await
}

async fn score(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    lead: LeadId,
    judged: &Judged,
) -> Result<Verdict, StepError> {
    match judged.write(uow, &permit.of_each()).await {
        Ok(_) => Ok(Verdict::Done),
        Err(UpdateLeadError::Store(error)) => Err(error.into()),
        Err(UpdateLeadError::NotFound) => Ok(Verdict::Failed(format!("there is no lead {lead} any more"))),
        Err(_) => Ok(Verdict::Failed(format!(
            "lead {lead} was changed while it was judged"
        ))),
    }
}

async fn advance(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    (job, ticket): (&ScoringJob, &Ticket),
    run: &mut Run,
    before: Operation,
    verdict: Verdict,
    turn: Turn,
) -> Result<Step, StepError> {
    let (tally, faults) = match verdict {
        Verdict::Done => (
            Tally {
                successful: 1,
                ..Tally::default()
            },
            Vec::new(),
        ),
        Verdict::Failed(reason) => {
            let fault = RowFault {
                line: run.place + 1,
                field: String::new(),
                reason,
            };
            let tally = Tally {
                failed: 1,
                ..Tally::default()
            };
            (tally, vec![fault])
        }
    };
    let known = before.record().faults;
    let moved = before.clone().advance(1, tally, faults.len() as u64)?;
    uow.operations().advance(&moved, &faults, known).await?;
    run.place += 1;
    if run.next().is_none() {
        return complete(uow, permit, ticket, &before, moved).await;
    }
    if turn == Turn::GoesOn {
        return Ok(Step::Done);
    }
    hand_on(uow, ticket, job.to_enqueue(), None).await?;
    Ok(Step::HandedOn)
}

async fn complete(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    ticket: &Ticket,
    before: &Operation,
    moved: Operation,
) -> Result<Step, StepError> {
    let completed = moved.complete()?;
    let after = uow.operations().change(&completed, "completed").await?;
    uow.record(snapshot::ended(before, &after, permit.actor()).by(Source::System));
    uow.jobs().finish(ticket).await?;
    Ok(Step::Completed)
}

/// Has another job go on when the provider may be back; it is not asked meanwhile.
async fn wait(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    (job, ticket): (&mut ScoringJob, &Ticket),
    operation: &Operation,
) -> Result<Step, StepError> {
    if job.waits() >= MAX_WAITS {
        let why = "the provider of models has not answered for a day: begin another run over the leads that are left";
        give_up(uow, operation.id(), permit.actor(), why).await?;
        uow.jobs().finish(ticket).await?;
        return Ok(Step::GivenUp);
    }
    if job.waits() == 0 {
        let line = format!(
            "waits behind row {} for the provider of models, which does not answer",
            operation.record().done
        );
        uow.operations().change(operation, &line).await?;
    }
    let at = uow.now() + job.note_wait();
    hand_on(uow, ticket, job.to_enqueue(), Some(at)).await?;
    Ok(Step::HandedOn)
}

/// Ends a run that somebody wants to stop.
async fn stop(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    id: OperationId,
) -> Result<Step, StepError> {
    let found = uow.operations().find_for_update(id).await?;
    let Some(before) = found.filter(|operation| !operation.has_ended()) else {
        return Ok(Step::Stopped);
    };
    let stopped = before.clone().stop()?;
    let line = format!("stopped behind row {}", before.record().done);
    let after = uow.operations().change(&stopped, &line).await?;
    uow.record(snapshot::ended(&before, &after, permit.actor()).by(Source::System));
    Ok(Step::Stopped)
}

impl Run {
    fn next(&self) -> Option<LeadId> {
        let place = usize::try_from(self.place).ok()?;
        self.request.leads.get(place).copied()
    }
}

impl From<BadScoringRequest> for StepError {
    fn from(error: BadScoringRequest) -> Self {
        Self::Impossible(error.into())
    }
}
