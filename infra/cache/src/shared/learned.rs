//! Which keys have saved the most: kept in Redis for processes that start with nothing.

use std::time::Duration;

use fairlead_domain::cache::CacheKey;
use fairlead_domain::identity::TenantId;

use super::Shared;

/// What is not asked for any more is forgotten by and by: each time something is learnt, what is known fades by this.
const FADING: f64 = 0.98;
const FORGOTTEN_AFTER: Duration = Duration::from_hours(7 * 24);

impl Shared {
    /// Adds what keys have saved of late; the `most` that saved the most are kept.
    pub(crate) async fn learn(&self, gains: &[(TenantId, CacheKey, Duration)], most: usize) {
        if !self.is_trusted() || gains.is_empty() {
            return;
        }
        let name = self.names.learned();
        let mut commands = redis::pipe();
        commands.atomic();
        commands
            .cmd("ZUNIONSTORE")
            .arg(&name)
            .arg(1)
            .arg(&name)
            .arg("WEIGHTS")
            .arg(FADING)
            .ignore();
        for (tenant, key, saved) in gains {
            let member = format!("{tenant} {key}");
            commands
                .cmd("ZINCRBY")
                .arg(&name)
                .arg(saved.as_secs_f64())
                .arg(member)
                .ignore();
        }
        let last = -1 - i64::try_from(most).unwrap_or(i64::MAX - 1);
        commands
            .cmd("ZREMRANGEBYRANK")
            .arg(&name)
            .arg(0)
            .arg(last)
            .ignore();
        commands
            .cmd("EXPIRE")
            .arg(&name)
            .arg(FORGOTTEN_AFTER.as_secs())
            .ignore();
        self.run(|mut connection| async move { commands.query_async::<()>(&mut connection).await })
            .await;
    }

    /// The keys that saved the most, most first; `None` when Redis does not tell.
    pub(crate) async fn learned(&self, most: usize) -> Option<Vec<(TenantId, CacheKey)>> {
        let name = self.names.learned();
        let read = self.run(|mut connection| async move {
            redis::cmd("ZREVRANGE")
                .arg(name)
                .arg(0)
                .arg(most.saturating_sub(1))
                .query_async::<Vec<String>>(&mut connection)
                .await
        });
        let members = read.await?;
        let parse = |member: &String| {
            let (tenant, key) = member.split_once(' ')?;
            Some((tenant.parse().ok()?, CacheKey::parse(key)?))
        };
        Some(members.iter().filter_map(parse).collect())
    }
}
