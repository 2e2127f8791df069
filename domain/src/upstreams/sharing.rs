//! How processes tell each other what they have found out about services, by a board that all of them can read.
//!
//! Each process has breakers of its own, which decide in its memory; this goes on behind them, in rounds. What is on the
//! board outlives nobody's need of it: without it, each process finds out for itself.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{BreakerState, Hold, UpstreamReport, Upstreams};
use crate::clock::Clock;

/// What others are to know of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerNews {
    /// It is not well, and not to be called for so long.
    Opened(Duration),
    /// It is well.
    Closed,
    /// An operator keeps calls from it.
    Held(Hold),
    /// No operator does any more.
    LetGo,
}

/// What stands on the board of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// The latest that was found out.
    pub found: Option<Numbered>,
    /// The latest that an operator has decided.
    pub decided: Option<Numbered>,
    /// Whether a process has the turn to find out whether the service is back.
    pub is_probed: bool,
}

/// News with a number that is greater than those of all earlier ones of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub number: u64,
    pub news: BreakerNews,
}

/// Whose turn it is to find out whether a service is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeTurn {
    /// Each process finds out for itself.
    #[default]
    Anybodys,
    Ours,
    /// Another process does.
    Others,
}

/// The board cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the board of circuit breakers is out of reach")]
pub struct BoardUnavailable(#[source] pub Box<dyn Error + Send + Sync>);

/// Where processes write what others are to know, and read what those have.
#[async_trait]
pub trait BreakerBoard: fmt::Debug + Send + Sync {
    /// What stands there of each of these services, in this order.
    async fn read(&self, names: &[&'static str]) -> Result<Vec<Posted>, BoardUnavailable>;

    /// Writes news over what stood there; returns their number.
    async fn post(&self, name: &'static str, news: &BreakerNews) -> Result<u64, BoardUnavailable>;

    /// Writes that an operator keeps calls from a service, if nothing that an operator has decided stands there: the board
    /// may have lost it. Returns the number if it did.
    async fn restore(&self, name: &'static str, hold: &Hold) -> Result<Option<u64>, BoardUnavailable>;

    /// Whether this process may find out whether the service is back: nobody else may for as long as `lease`.
    async fn claim_probe(&self, name: &'static str, lease: Duration) -> Result<bool, BoardUnavailable>;
}

/// Tells a board what the breakers of this process have done, and them what stands there.
#[derive(Debug)]
pub struct BreakerSharing {
    upstreams: Arc<dyn Upstreams>,
    board: Arc<dyn BreakerBoard>,
    clock: Arc<dyn Clock>,
    known: HashMap<&'static str, Known>,
}

/// What others know of us, and we of others, of one service.
#[derive(Clone, Debug, Default)]
struct Known {
    state: BreakerState,
    since: Option<OffsetDateTime>,
    hold: Option<Hold>,
    found: u64,
    decided: u64,
    /// For how many rounds it is our turn.
    turns_left: u32,
    /// For how many rounds it has been time to find out whether the service is back.
    rounds_half_open: u32,
}

impl BreakerSharing {
    /// How often there is a round.
    pub const EVERY: Duration = Duration::from_millis(250);
    /// How long a process has to find out, once it may.
    const LEASE: Duration = Duration::from_secs(5);
    /// Fewer than the lease has: what this process believes to have, it has.
    const ROUNDS_OF_A_LEASE: u32 = 12;

    pub fn new(upstreams: Arc<dyn Upstreams>, board: Arc<dyn BreakerBoard>, clock: Arc<dyn Clock>) -> Self {
        Self {
            upstreams,
            board,
            clock,
            known: HashMap::new(),
        }
    }

    /// Goes once over all services. While the board is out of reach each process finds out for itself, and tells afterwards
    /// what has changed meanwhile.
    pub async fn round(&mut self) -> Result<(), BoardUnavailable> {
        let result = self.go_round().await;
        if result.is_err() {
            for report in self.upstreams.report() {
                self.upstreams.give_turn(report.name, ProbeTurn::Anybodys);
            }
        }
        result
    }

    async fn go_round(&mut self) -> Result<(), BoardUnavailable> {
        let reports = self.upstreams.report();
        for report in &reports {
            self.tell(report).await?;
        }
        let names: Vec<&'static str> = reports.iter().map(|report| report.name).collect();
        let posted = self.board.read(&names).await?;
        let probed: Vec<bool> = posted.iter().map(|posted| posted.is_probed).collect();
        for (name, posted) in names.iter().zip(posted) {
            self.learn(name, posted).await?;
        }
        for (report, is_probed) in self.upstreams.report().into_iter().zip(probed) {
            let turn = self.turn(&report, is_probed).await?;
            self.upstreams.give_turn(report.name, turn);
        }
        Ok(())
    }

    /// Writes what has changed here by itself since the last round.
    async fn tell(&mut self, report: &UpstreamReport) -> Result<(), BoardUnavailable> {
        let known = self.known.entry(report.name).or_default();
        if report.hold != known.hold {
            let is_over = |hold: &Hold| hold.until.is_some_and(|until| until <= self.clock.now());
            let news = match (&report.hold, &known.hold) {
                (Some(hold), _) => Some(BreakerNews::Held(hold.clone())),
                // Everybody knows by itself when it ends.
                (None, Some(hold)) if is_over(hold) => None,
                (None, _) => Some(BreakerNews::LetGo),
            };
            if let Some(news) = news {
                known.decided = self.board.post(report.name, &news).await?;
            }
            known.hold.clone_from(&report.hold);
        }
        // Behind a hold nobody finds out anything.
        if report.hold.is_some() {
            return Ok(());
        }
        let has_opened = report.state == BreakerState::Open && known.since != Some(report.since);
        let has_closed = report.state == BreakerState::Closed && known.state != BreakerState::Closed;
        if has_opened {
            let left = report.next_probe.map(|probe| probe - self.clock.now());
            let left = left.and_then(|left| left.try_into().ok()).unwrap_or_default();
            known.found = self.board.post(report.name, &BreakerNews::Opened(left)).await?;
        } else if has_closed {
            known.found = self.board.post(report.name, &BreakerNews::Closed).await?;
        }
        self.note(report);
        Ok(())
    }

    /// Has the breaker follow what stands on the board and is news here.
    async fn learn(&mut self, name: &'static str, posted: Posted) -> Result<(), BoardUnavailable> {
        let known = self.known.entry(name).or_default();
        if let (None, Some(hold)) = (&posted.decided, &known.hold)
            && let Some(number) = self.board.restore(name, hold).await?
        {
            known.decided = number;
        }
        let mut has_learned = false;
        let kinds = [
            (posted.decided, &mut known.decided),
            (posted.found, &mut known.found),
        ];
        for (posted, heard) in kinds {
            if let Some(Numbered { number, news }) = posted
                && number > *heard
            {
                *heard = number;
                self.upstreams.learn(name, news);
                has_learned = true;
            }
        }
        if has_learned && let Some(report) = self.upstreams.report().iter().find(|report| report.name == name)
        {
            self.note(report);
        }
        Ok(())
    }

    /// What is so now is no news of ours in the next round.
    fn note(&mut self, report: &UpstreamReport) {
        let known = self.known.entry(report.name).or_default();
        known.hold.clone_from(&report.hold);
        if report.hold.is_none() {
            known.state = report.state;
            known.since = Some(report.since);
        }
    }

    /// Whose turn it is. Where calls are seldom, whoever asks for it has no call any more by the time it has it, and the call
    /// after that comes to another process: so nobody would ever find out, did each wait for its turn.
    async fn turn(
        &mut self,
        report: &UpstreamReport,
        is_probed: bool,
    ) -> Result<ProbeTurn, BoardUnavailable> {
        let known = self.known.entry(report.name).or_default();
        if report.state != BreakerState::HalfOpen {
            known.turns_left = 0;
            known.rounds_half_open = 0;
            return Ok(ProbeTurn::Others);
        }
        known.turns_left = known.turns_left.saturating_sub(1);
        known.rounds_half_open = known.rounds_half_open.saturating_add(1);
        // Whoever has nothing to ask keeps it from nobody.
        if report.awaits_turn && self.board.claim_probe(report.name, Self::LEASE).await? {
            known.turns_left = Self::ROUNDS_OF_A_LEASE;
        }
        let is_seldom = !is_probed && known.rounds_half_open > Self::ROUNDS_OF_A_LEASE;
        Ok(if known.turns_left > 0 {
            ProbeTurn::Ours
        } else if is_seldom && !report.awaits_turn {
            // For as long as somebody could have had a turn nobody has found out, and nobody wants to now.
            ProbeTurn::Anybodys
        } else {
            ProbeTurn::Others
        })
    }
}

#[cfg(test)]
mod tests;
