//! Who shares the cache now, so that somebody who vanishes without having told all that he changed is missed.
//!
//! Whoever comes to trust Redis signs in, keeps a sign of life there, and signs off when he has nothing left to tell. A
//! name without a sign of life is that of a process that crashed, was killed or is cut off: what it committed last, or
//! owed, the others may never hear. So everything is dropped once.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::consistency::LogPosition;
use tokio::time::{Instant, sleep};

use super::keeper::begin_era;
use super::link::LinkError;
use super::{Shared, millis};
use crate::cache::Inner;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

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

    async fn missing(&self) -> Result<Vec<u64>, LinkError> {
        let roll = self.names.roll();
        let read = |mut connection: redis::aio::MultiplexedConnection| async move {
            redis::cmd("SMEMBERS")
                .arg(roll)
                .query_async(&mut connection)
                .await
        };
        let names: Vec<u64> = self.link.run(read).await?;
        if names.is_empty() {
            return Ok(names);
        }
        let mut commands = redis::pipe();
        for name in &names {
            commands.cmd("EXISTS").arg(self.names.sign_of_life(*name));
        }
        let read = |mut connection| async move { commands.query_async(&mut connection).await };
        let signs: Vec<bool> = self.link.run(read).await?;
        let names = names.into_iter().zip(signs);
        Ok(names
            .filter(|(_, is_there)| !is_there)
            .map(|(name, _)| name)
            .collect())
    }
}

/// Drops everything when somebody is missed.
pub(super) async fn call(inner: &Arc<Inner>, shared: &Shared) -> Result<(), LinkError> {
    let missing = shared.missing().await?;
    if missing.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        processes = missing.len(),
        "a process went without a word; what it may have changed is dropped from the cache"
    );
    begin_era(inner, "everything", Some(LogPosition::UNKNOWN)).await?;
    let mut strike_off = redis::pipe();
    let roll = shared.names.roll();
    strike_off.cmd("SREM").arg(roll).arg(missing).ignore();
    shared.send(strike_off).await
}
