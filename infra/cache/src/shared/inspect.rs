//! What lies in Redis under a key, for people to look at.

use std::time::Duration;

use fairlead_domain::cache::{KeptInShared, Reason, SharedState, Tag};

use super::{Question, Shared};

impl Shared {
    pub(crate) async fn inspect(&self, question: Question<'_>) -> SharedState {
        if !self.is_trusted() {
            return SharedState::Away;
        }
        match self.look_at(question).await {
            None => SharedState::Away,
            Some(None) => SharedState::Missing,
            Some(Some(kept)) => SharedState::Kept(kept),
        }
    }

    async fn look_at(&self, question: Question<'_>) -> Option<Option<KeptInShared>> {
        let Question {
            tenant,
            key,
            tags,
            policy,
        } = question;
        let mut look = redis::pipe();
        let answer = self.names.answer(tenant, key, &self.eras().of(key.namespace()));
        look.cmd("HGET").arg(&answer).arg("g");
        look.cmd("HSTRLEN").arg(&answer).arg("v");
        look.cmd("HGET").arg(&answer).arg("l");
        look.cmd("PTTL").arg(&answer);
        let looked = self.run(|mut connection| async move { look.query_async(&mut connection).await });
        let (stored, size_bytes, life, left): (Option<String>, usize, Option<u64>, i64) = looked.await?;
        let Some(stored) = stored else {
            return Some(None);
        };
        let mut count = redis::pipe();
        for counter in self.names.counters(tenant, key, tags) {
            count.cmd("HGET").arg(counter).arg("g");
        }
        let counted = self.run(|mut connection| async move { count.query_async(&mut connection).await });
        let now: Vec<Option<u64>> = counted.await?;
        let stored: Vec<u64> = stored.split(' ').filter_map(|text| text.parse().ok()).collect();

        let gone_in = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let fresh_for = gone_in.saturating_sub(policy.stale);
        // Older releases do not tell.
        let life = life.map_or(policy.ttl + policy.stale, Duration::from_millis);
        let knows_all = stored.len() == now.len();
        let generations: Vec<_> = stored.into_iter().zip(now).collect();
        let is_unchanged = generations.iter().all(|(stored, now)| Some(*stored) == *now);
        Some(Some(KeptInShared {
            verdict: match (is_unchanged, knows_all) {
                (false, _) => Some(Reason::Invalidated),
                (true, false) => None,
                (true, true) if fresh_for.is_zero() => Some(Reason::Expired),
                (true, true) => Some(Reason::Valid),
            },
            age: life.saturating_sub(gone_in),
            fresh_for,
            gone_in,
            size_bytes,
            tags: [Tag::Whole.to_string(), key.namespace().to_string()]
                .into_iter()
                .chain(tags.iter().map(Tag::to_string))
                .map(Into::into)
                .collect(),
            generations,
        }))
    }
}
