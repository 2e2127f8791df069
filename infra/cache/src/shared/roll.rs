//! Who shares the cache now, so that somebody who vanishes without having told all that he changed is missed.
//!
//! Whoever comes to trust Redis signs in, keeps a sign of life there, and signs off when he has nothing left to tell. A
//! name without a sign of life is that of a process that crashed, was killed or is cut off: what it committed last, or
//! owed, the others may never hear.
//!
//! Whoever follows the log of events since before the last sign of life has found it there, and told the others: he takes
//! the name off the roll, and that is all. When nobody has, one of those who are left drops everything once.

use std::collections::{HashMap, HashSet};
use std::mem::replace;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fairlead_domain::consistency::LogPosition;
use tokio::time::sleep;

use super::keeper::begin_era;
use super::link::LinkError;
use super::{Shared, millis};
use crate::cache::Inner;

const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Whoever gives a sign of life has told what he committed so long before, if he tells at all.
const TOLD_BEFORE: Duration = Duration::from_secs(2);
/// Whoever is well gives a sign of life each second or two.
const LATE: Duration = Duration::from_secs(3);
/// Who was late, and has been taken off the roll, may be cut off and go on. So long is he thought to.
const MAY_GO_ON: Duration = Duration::from_mins(10);
/// How long those who follow the log have to take a name off the roll.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
/// How long one process has to drop everything before another does.
const TURN: Duration = Duration::from_secs(5);

/// What one process has seen of the others.
#[derive(Debug, Default)]
pub(super) struct Roll {
    last_signs: HashMap<u64, Instant>,
    /// As of the last look.
    missing: Vec<u64>,
    /// Those whose last sign of life was older than usual, as of the last look.
    late: HashSet<u64>,
    /// Until when somebody may go on who has been taken off.
    may_go_on: Option<Instant>,
    /// Since when each is missed here.
    missed: HashMap<u64, Instant>,
}

impl Shared {
    /// Says that this process is there, and may have something to tell; not after it has signed off.
    pub(super) async fn sign_in(&self) -> Result<(), LinkError> {
        let has_left = self.has_left.lock().await;
        if *has_left {
            return Ok(());
        }
        let mut commands = redis::pipe();
        let roll = self.names.roll();
        commands.cmd("SADD").arg(&roll).arg(self.node).ignore();
        // No answer lives longer: then nobody is missed any more.
        let longest = millis(self.counter_life);
        commands.cmd("PEXPIRE").arg(roll).arg(longest).ignore();
        commands
            .cmd("SET")
            .arg(self.names.sign_of_life(self.node))
            .arg("")
            .arg("PX")
            .arg(millis(self.settings.missed_after))
            .ignore();
        self.send(commands).await
    }

    /// Waits until all changes of this process have been told, and signs off; `false` when that takes longer than
    /// `patience`.
    pub(crate) async fn sign_off(&self, patience: Duration) -> bool {
        let give_up = Instant::now() + patience;
        while !self.has_told_everything() {
            if Instant::now() >= give_up {
                return false;
            }
            sleep(LOOK_AGAIN).await;
        }
        *self.has_left.lock().await = true;
        let mut commands = redis::pipe();
        let roll = self.names.roll();
        commands.cmd("SREM").arg(roll).arg(self.node).ignore();
        let sign = self.names.sign_of_life(self.node);
        commands.cmd("UNLINK").arg(sign).ignore();
        if let Err(error) = self.send(commands).await {
            tracing::debug!(error = %error, "could not sign off from the shared cache");
        }
        true
    }

    fn has_told_everything(&self) -> bool {
        self.is_trusted() && self.owed().is_empty() && self.sequence.is_idle()
    }

    async fn send(&self, commands: redis::Pipeline) -> Result<(), LinkError> {
        self.link
            .run(|mut connection| async move { commands.query_async::<()>(&mut connection).await })
            .await
    }

    /// For how long the sign of life of each will last who has signed in; `None` when it is over.
    async fn signs(&self) -> Result<Vec<(u64, Option<Duration>)>, LinkError> {
        let roll = self.names.roll();
        let read = |mut connection: redis::aio::MultiplexedConnection| async move {
            redis::cmd("SMEMBERS")
                .arg(roll)
                .query_async(&mut connection)
                .await
        };
        let names: Vec<u64> = self.link.run(read).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        for name in &names {
            commands.cmd("PTTL").arg(self.names.sign_of_life(*name));
        }
        let read = |mut connection| async move { commands.query_async(&mut connection).await };
        let left: Vec<i64> = self.link.run(read).await?;
        // Of what is not there, it is negative.
        let left = left
            .into_iter()
            .map(|left| u64::try_from(left).ok().map(Duration::from_millis));
        Ok(names.into_iter().zip(left).collect())
    }

    /// Takes names off the roll; returns how many nobody had taken off before.
    async fn strike_off(&self, names: &[u64]) -> Result<u64, LinkError> {
        let mut strike_off = redis::cmd("SREM");
        strike_off.arg(self.names.roll()).arg(names);
        self.link
            .run(|mut connection| async move { strike_off.query_async(&mut connection).await })
            .await
    }
}

impl Roll {
    /// Takes note of who is there.
    pub(super) async fn look(&mut self, shared: &Shared) -> Result<(), LinkError> {
        let lasts = shared.settings.missed_after;
        let signs = shared.signs().await?;
        let now = Instant::now();
        self.last_signs
            .retain(|known, _| signs.iter().any(|(name, _)| name == known));
        self.missing.clear();
        for (name, left) in signs {
            match left {
                Some(left) => {
                    let ago = lasts.saturating_sub(left);
                    self.last_signs.insert(name, now.checked_sub(ago).unwrap_or(now));
                }
                None => self.missing.push(name),
            }
        }
        let late = self.last_signs.iter().filter(|(_, sign)| sign.elapsed() >= LATE);
        let late = late.map(|(name, _)| *name).chain(self.missing.iter().copied());
        let before = replace(&mut self.late, late.collect());
        let is_on_the_roll = |name: &u64| self.last_signs.contains_key(name) || self.missing.contains(name);
        if !before.iter().all(is_on_the_roll) {
            self.may_go_on = Some(now + MAY_GO_ON);
        }
        Ok(())
    }

    /// Whether somebody may be cut off, and go on: the last sign of his life is older than usual, or was so when he was
    /// taken off the roll.
    pub(super) fn is_anybody_late(&self) -> bool {
        !self.late.is_empty() || self.may_go_on.is_some_and(|until| Instant::now() < until)
    }

    /// Sees to it that what those may have left untold who are missing is shown by nobody.
    pub(super) async fn call(&mut self, inner: &Arc<Inner>, shared: &Shared) -> Result<(), LinkError> {
        let now = Instant::now();
        self.missed.retain(|known, _| self.missing.contains(known));
        for name in &self.missing {
            self.missed.entry(*name).or_insert(now);
        }
        let missed = self.missed.iter();
        let (followed, others): (Vec<_>, Vec<_>) =
            missed.partition(|(name, since)| self.was_followed(inner, **name, **since));
        let names = |missed: Vec<(&u64, &Instant)>| missed.into_iter().map(|(name, _)| *name).collect();
        let followed: Vec<u64> = names(followed);
        if !followed.is_empty() {
            let processes = shared.strike_off(&followed).await?;
            if processes > 0 {
                tracing::warn!(
                    processes,
                    "a process went without a word; what it has changed was found in the log of events"
                );
            }
        }
        let overdue = others
            .into_iter()
            .filter(|(_, since)| since.elapsed() >= LEFT_TO_OTHERS);
        let overdue: Vec<u64> = names(overdue.collect());
        if overdue.is_empty() || !shared.take_turn("roll", TURN).await {
            return Ok(());
        }
        tracing::warn!(
            processes = overdue.len(),
            "a process went without a word; what it may have changed is dropped from the cache"
        );
        let end = inner.log_end().await.unwrap_or(LogPosition::UNKNOWN);
        begin_era(inner, "everything", Some(end)).await?;
        shared.strike_off(&overdue).await.map(drop)
    }

    /// Whether the log has brought this process all that somebody has committed who is missing since `since`.
    fn was_followed(&self, inner: &Inner, name: u64, since: Instant) -> bool {
        let last_sign = self.last_signs.get(&name);
        let from = last_sign.and_then(|sign| sign.checked_sub(TOLD_BEFORE));
        from.is_some_and(|from| inner.heard.has_followed(from, since))
    }
}
