use std::sync::Arc;
use std::time::Duration;

use fairlead_cache::SharedSettings;
use fairlead_devstack::{Durability, Root, Service, Stack, StackOptions};
use fairlead_telemetry::spawn_blocking;
use redis::AsyncConnectionConfig;

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

    /// All keys that match; the server is the test's own, so looking through them harms nobody.
    pub(super) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.command(redis::cmd("KEYS").arg(pattern)).await
    }
}
