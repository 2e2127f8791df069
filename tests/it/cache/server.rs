use std::sync::Arc;
use std::time::Duration;

use fairlead_cache::SharedSettings;
use fairlead_devstack::{Durability, Root, Service, Stack, StackOptions};
use fairlead_telemetry::spawn_blocking;
use redis::AsyncConnectionConfig;
use redis::aio::PubSub;
use support::wait_until;

/// A Redis server of a test's own.
#[derive(Clone, Debug)]
pub(crate) struct RedisServer {
    stack: Arc<Stack>,
    url: String,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let (stack, url) = spawn_blocking(|| {
            let options = StackOptions {
                root: Root::Temporary,
                durability: Durability::Fast,
            };
            let stack = Stack::open(options).unwrap();
            let url = stack.ensure(Service::Redis).unwrap().url;
            (Arc::new(stack), url)
        })
        .await
        .unwrap();
        Self { stack, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn settings(&self) -> SharedSettings {
        SharedSettings::at(&self.url)
    }

    /// Does something to the server from outside.
    pub(crate) async fn with(&self, fault: impl FnOnce(&Stack) + Send + 'static) {
        let stack = Arc::clone(&self.stack);
        spawn_blocking(move || fault(&stack)).await.unwrap();
    }

    pub(crate) async fn command<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        self.try_command(command).await.unwrap()
    }

    pub(crate) async fn try_command<T: redis::FromRedisValue>(
        &self,
        command: &redis::Cmd,
    ) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url()).unwrap();
        // A busy machine may need longer than the client's defaults.
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(20)))
            .set_response_timeout(Some(Duration::from_secs(20)));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&patience)
            .await
            .unwrap();
        command.query_async(&mut connection).await
    }

    /// Hears what is told on a channel from now on.
    pub(super) async fn listen(&self, channel: &str) -> PubSub {
        let client = redis::Client::open(self.url()).unwrap();
        let mut listening = client.get_async_pubsub().await.unwrap();
        listening.subscribe(channel).await.unwrap();
        listening
    }

    /// How many scripts it has run so far.
    pub(super) async fn script_calls(&self) -> u64 {
        let info: String = self.command(redis::cmd("INFO").arg("commandstats")).await;
        let calls = info.lines().filter_map(|line| {
            let calls = line.strip_prefix("cmdstat_eval")?.split_once("calls=")?.1;
            calls.split_once(',')?.0.parse::<u64>().ok()
        });
        calls.sum()
    }

    /// Part of the names of all answers: another one begins when everything is dropped.
    pub(super) async fn era(&self) -> String {
        self.command(redis::cmd("HGET").arg("fl:eras").arg("everything"))
            .await
    }

    /// Waits until an answer lies there.
    pub(super) async fn until_it_keeps_something(&self) {
        wait_until("it lies in Redis", async || {
            !self.keys("fl:*:e:*").await.is_empty()
        })
        .await;
    }

    /// All keys that match; the server is the test's own, so looking through them harms nobody.
    pub(super) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.command(redis::cmd("KEYS").arg(pattern)).await
    }
}
