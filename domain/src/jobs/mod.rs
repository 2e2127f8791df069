//! Work that is done behind the requests: jobs, the queues they wait in, and how they are tried.
//!
//! A job is enqueued through the unit of work whose consequence it is, so it is there when that is committed, and never
//! else. A worker claims it for as long as it says that it is at work (a lease); each claim has a number (a fence), and
//! what is done under one that is not the last is refused. So a job is begun at least once, and its effect is there once
//! where it is finished by the unit of work that has the effect.

mod handler;
mod model;
mod operations;
mod port;
mod retry;
mod schedule;
mod wait;

pub use handler::{Done, JobError, JobHandler};
pub use model::{DeadJob, Job, JobId, JobOwner, NewJob, Queue, Ticket};
pub use operations::{
    DeadGroup, DeadGroups, JobList, JobOperations, JobRecord, JobState, LeftDead, NewPause, NewStop, Part,
    Pause, QueueFigures, Retried, Stop, StopMode, Times, Which, WhyLeft,
};
pub use port::{
    Claim, Claimed, FinishError, Finished, Hearing, HearingLost, JobStore, Jobs, JobsMonitor, JobsReport,
    QueueReport, Swept, Waits,
};
pub use retry::{Priorities, QueueSettings, Retry};
pub use schedule::{BadTiming, Calendar, Due, Missed, Overlap, Schedule, Schedules, Timing};
pub use wait::wait;
