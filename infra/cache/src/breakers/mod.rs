//! What processes tell each other about circuit breakers, in Redis.

mod record;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::upstreams::{BoardUnavailable, BreakerBoard, BreakerNews, Hold, Posted};
use redis::Script;

use crate::settings::SharedSettings;
use crate::shared::{BadRedis, Link, LinkError};

/// How long news are kept that everybody has read after a second.
const READ_BY_ALL: Duration = Duration::from_hours(1);
/// How long it is kept that no operator keeps calls from a service: processes may be cut off for a while that know of one.
const REMEMBERED: Duration = Duration::from_hours(24);

/// A board in Redis. It may be away.
#[derive(Debug)]
pub struct RedisBreakerBoard {
    link: Link,
    prefix: String,
    /// By what this process is known from others.
    node: u64,
    post: Script,
    claim: Script,
    is_up: AtomicBool,
}

impl RedisBreakerBoard {
    /// # Errors
    ///
    /// When Redis cannot be used as it is configured.
    pub fn new(settings: &SharedSettings) -> Result<Self, BadRedis> {
        // Nobody waits for it.
        let settings = SharedSettings {
            connections: 1,
            ..settings.clone()
        };
        Ok(Self {
            link: Link::new(&settings)?,
            prefix: settings.prefix,
            node: rand::random(),
            post: Script::new(include_str!("scripts/post.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
            is_up: AtomicBool::new(false),
        })
    }

    async fn write(
        &self,
        name: &str,
        news: &BreakerNews,
        only_if_nothing_stands: bool,
    ) -> Result<u64, BoardUnavailable> {
        let (what, kept) = match news {
            BreakerNews::Opened(left) => ("found", Some(*left + READ_BY_ALL)),
            BreakerNews::Closed => ("found", Some(READ_BY_ALL)),
            BreakerNews::Held(hold) => ("decided", kept(hold)),
            BreakerNews::LetGo => ("decided", Some(REMEMBERED)),
        };
        let mut call = self.post.prepare_invoke();
        call.key(self.key(name, what))
            .arg(record::write(news))
            .arg(kept.map_or(0, millis))
            .arg(u8::from(only_if_nothing_stands));
        let call = &call;
        self.reach().await?;
        let number = self
            .link
            .run(|mut connection| async move { call.invoke_async::<u64>(&mut connection).await })
            .await;
        self.note(number)
    }

    /// What a service's news are called. Its name is the hash tag.
    fn key(&self, name: &str, what: &str) -> String {
        format!("{}:{{{name}}}:breaker:{what}", self.prefix)
    }

    /// Connects anew where the last command came to nothing.
    async fn reach(&self) -> Result<(), BoardUnavailable> {
        if self.is_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let reached = self.link.probe().await;
        self.note(reached)
    }

    fn note<T>(&self, result: Result<T, LinkError>) -> Result<T, BoardUnavailable> {
        self.is_up.store(result.is_ok(), Ordering::Relaxed);
        result.map_err(|error| BoardUnavailable(Box::new(error)))
    }
}

#[async_trait]
impl BreakerBoard for RedisBreakerBoard {
    async fn read(&self, names: &[&'static str]) -> Result<Vec<Posted>, BoardUnavailable> {
        self.reach().await?;
        let mut pipe = redis::pipe();
        pipe.cmd("TIME");
        for name in names {
            for what in ["found", "decided", "probe"] {
                pipe.cmd("GET").arg(self.key(name, what));
            }
        }
        let pipe = &pipe;
        let answers = self
            .link
            .run(|mut connection| async move {
                let answers: Vec<redis::Value> = pipe.query_async(&mut connection).await?;
                let mut answers = answers.into_iter();
                let clock = answers.next().unwrap_or(redis::Value::Nil);
                let (seconds, micros): (u64, u64) = redis::from_redis_value(clock)?;
                let texts: Vec<Option<String>> =
                    answers.map(redis::from_redis_value).collect::<Result<_, _>>()?;
                Ok((seconds * 1_000_000 + micros, texts))
            })
            .await;
        let (now, texts) = self.note(answers)?;
        let read = |text: &Option<String>| text.as_deref().and_then(|text| record::read(text, now));
        let posted = texts.chunks_exact(3).map(|of_one| Posted {
            found: read(&of_one[0]),
            decided: read(&of_one[1]),
            is_probed: of_one[2].is_some(),
        });
        Ok(posted.collect())
    }

    async fn post(&self, name: &'static str, news: &BreakerNews) -> Result<u64, BoardUnavailable> {
        self.write(name, news, false).await
    }

    async fn restore(&self, name: &'static str, hold: &Hold) -> Result<Option<u64>, BoardUnavailable> {
        let number = self.write(name, &BreakerNews::Held(hold.clone()), true).await?;
        Ok((number > 0).then_some(number))
    }

    async fn claim_probe(&self, name: &'static str, lease: Duration) -> Result<bool, BoardUnavailable> {
        let mut call = self.claim.prepare_invoke();
        call.key(self.key(name, "probe"))
            .arg(self.node)
            .arg(millis(lease));
        let call = &call;
        self.reach().await?;
        let claimed = self
            .link
            .run(|mut connection| async move { call.invoke_async::<bool>(&mut connection).await })
            .await;
        self.note(claimed)
    }
}

/// For as long as an operator keeps calls from a service, and a while longer; `None`: until one does no more.
fn kept(hold: &Hold) -> Option<Duration> {
    let length: Duration = (hold.until? - hold.since).try_into().unwrap_or_default();
    Some(length.saturating_add(READ_BY_ALL))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2_000)
}
