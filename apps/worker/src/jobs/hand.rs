//! The jobs of a queue that this process has in hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::jobs::{Job, JobOwner, Ticket};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Hand {
    jobs: Mutex<HashMap<Ticket, Taken>>,
    /// How many there are; whoever waits for one to leave watches it.
    count: watch::Sender<usize>,
}

#[derive(Clone, Debug)]
struct Taken {
    /// Its lease began no earlier.
    since: Instant,
    is_aside: bool,
    /// Cuts its attempt off, once that is begun.
    abort: Option<AbortHandle>,
}

/// A job in hand, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    hand: Arc<Hand>,
    ticket: Ticket,
}

impl Hand {
    /// Takes a job whose claim was asked for at `since`.
    pub(super) fn take(self: &Arc<Self>, job: &Job, since: Instant) -> Held {
        let (ticket, is_aside) = (job.ticket, job.is_aside);
        let mut jobs = self.jobs();
        let taken = Taken {
            since,
            is_aside,
            abort: None,
        };
        jobs.insert(ticket, taken);
        // Nobody waits for that.
        self.count.send_if_modified(|count| {
            *count = jobs.len();
            false
        });
        Held {
            hand: Arc::clone(self),
            ticket,
        }
    }

    /// By what its attempt is cut off. It may have ended already.
    pub(super) fn set_abort(&self, ticket: Ticket, abort: AbortHandle) {
        if let Some(known) = self.jobs().get_mut(&ticket) {
            known.abort = Some(abort);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs().len()
    }

    pub(super) fn tickets(&self) -> Vec<Ticket> {
        self.jobs().keys().copied().collect()
    }

    /// Those that were taken before `moment`.
    pub(super) fn taken_before(&self, moment: Instant) -> Vec<Ticket> {
        let jobs = self.jobs();
        let before = jobs.iter().filter(|(_, taken)| taken.since < moment);
        before.map(|(ticket, _)| *ticket).collect()
    }

    pub(super) fn owners(&self) -> Vec<JobOwner> {
        self.jobs().keys().map(|ticket| ticket.owner).collect()
    }

    /// Of those that stand aside.
    pub(super) fn owners_aside(&self) -> Vec<JobOwner> {
        let jobs = self.jobs();
        let aside = jobs.iter().filter(|(_, taken)| taken.is_aside);
        aside.map(|(ticket, _)| ticket.owner).collect()
    }

    /// Cuts an attempt off; returns whether it was under way.
    pub(super) fn cut_off(&self, ticket: &Ticket) -> bool {
        let abort = self.jobs().get(ticket).and_then(|taken| taken.abort.clone());
        abort.map(|abort| abort.abort()).is_some()
    }

    /// Whoever waits for a job to leave.
    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Waits until there is none.
    pub(super) async fn emptied(&self) {
        // The sender is this.
        let _ = self.watch().wait_for(|count| *count == 0).await;
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Ticket, Taken>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut jobs = self.hand.jobs();
        jobs.remove(&self.ticket);
        self.hand.count.send_replace(jobs.len());
    }
}
