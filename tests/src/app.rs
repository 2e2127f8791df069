use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use fairlead::config::{Config, Input, Secret, load};
use fairlead::{Parts, SystemIds};
use tokio::sync::oneshot;

use crate::client::Failures;
use crate::database::DatabaseRole;
use crate::{Client, TempFolder, TestClock, TestDatabase, TestTenant};

/// A server of its own, with a database and a clock of its own, in this process.
///
/// It is stopped in order when dropped, and fails the test when it has answered with a server error that nobody
/// expected.
#[derive(Debug)]
pub struct TestApp {
    url: String,
    failures: Failures,
    pub clock: Arc<TestClock>,
    config: Config,
    // Stopped before the database goes; fields are dropped in the order they stand here.
    server: ServerThread,
    pub database: TestDatabase,
    data_dir: TempFolder,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with another configuration than the usual one.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        let database = TestDatabase::create().await;
        let data_dir = TempFolder::new("app");
        let mut config = configuration(&database, &data_dir);
        configure(&mut config);
        let clock = Arc::new(TestClock::default());
        let server = ServerThread::start(config.clone(), Arc::clone(&clock)).await;
        config.http.port = server.address.port();
        Self {
            url: server.url.clone(),
            failures: Failures::default(),
            clock,
            config,
            server,
            database,
            data_dir,
        }
    }

    /// Where the server is, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where `GET /metrics` is served.
    pub fn metrics_url(&self) -> String {
        let address = self.server.metrics.expect("metrics are switched on");
        format!("http://{address}/metrics")
    }

    /// The folder with the signing keys and whatever else the server keeps.
    pub fn data_dir(&self) -> &TempFolder {
        &self.data_dir
    }

    /// A caller without a credential.
    pub fn anonymous(&self) -> Client {
        Client::to(&self.url).noting(&self.failures)
    }

    /// A tenant of this name, signed up, with its owner logged in.
    pub async fn tenant(&self, name: &str) -> TestTenant {
        TestTenant::sign_up(self.anonymous(), name).await
    }

    /// An operator of the platform.
    pub async fn operator(&self, name: &str) -> Client {
        let key = self.database.operator_key(name).await;
        self.anonymous().with_token(&key)
    }

    /// Stops the server and starts it again, at the same address.
    pub async fn restart(&mut self) {
        self.restart_with(|_| {}).await;
    }

    /// Stops the server and starts it again with another configuration, at the same address.
    pub async fn restart_with(&mut self, configure: impl FnOnce(&mut Config)) {
        self.server.stop();
        configure(&mut self.config);
        self.server = ServerThread::start(self.config.clone(), Arc::clone(&self.clock)).await;
    }

    /// Lets server errors pass: the test provokes them.
    pub fn expect_server_errors(&self) {
        self.failures.expect();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.stop();
        let unexpected = self.failures.unexpected();
        assert!(
            thread::panicking() || unexpected.is_empty(),
            "unexpected server errors: {unexpected:#?}"
        );
    }
}

fn configuration(database: &TestDatabase, data_dir: &TempFolder) -> Config {
    let mut config = load(&Input::default()).expect("the defaults are in order").config;
    let url = |role| Some(Secret::new(database.url(role)));
    data_dir.path().clone_into(&mut config.data_dir);
    config.http.port = 0;
    config.metrics.port = 0;
    // Tests ask more than clients may: it is counted, and nothing refused. Tests of limits set their own.
    config.rate_limits.shadow = true;
    // Tests do much at once on small machines, and have errors: nobody waits or is refused for that, either.
    config.admission.min_limit = 10_000;
    config.admission.max_limit = 10_000;
    config.admission.errors.begin_percent = 0;
    config.database.url = url(DatabaseRole::App);
    config.database.system_url = url(DatabaseRole::System);
    config.database.owner_url = url(DatabaseRole::Owner);
    config.security.secret = Some(Secret::new("a secret of more than thirty-two bytes"));
    config
}

/// A server on a thread and a runtime of its own, so that it lives through whatever a test does to its own runtime.
#[derive(Debug)]
struct ServerThread {
    url: String,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    async fn start(config: Config, clock: Arc<TestClock>) -> Self {
        let (started, starting) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            runtime
                .expect("a runtime can be made")
                .block_on(serve(config, clock, started, stopped));
        });
        let started = starting
            .await
            .expect("the server thread answers")
            .unwrap_or_else(|error| panic!("{error:?}"));
        Self {
            url: started.url,
            address: started.address,
            metrics: started.metrics,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn stop(&mut self) {
        // Whoever stops twice finds it stopped.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server thread panicked");
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where a server is.
#[derive(Debug)]
struct Started {
    url: String,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
}

async fn serve(
    config: Config,
    clock: Arc<TestClock>,
    started: oneshot::Sender<anyhow::Result<Started>>,
    stopped: oneshot::Receiver<()>,
) {
    let parts = Parts {
        clock,
        ids: Arc::new(SystemIds),
        progress: |_| {},
    };
    match fairlead::start_with(&config, parts)
        .await
        .context("the server does not start")
    {
        Err(error) => drop(started.send(Err(error))),
        Ok(running) => {
            let told = started.send(Ok(Started {
                url: running.url().to_owned(),
                address: running.address(),
                metrics: running.metrics_address(),
            }));
            if told.is_ok() {
                // Dropping the sender is the sign.
                let _ = stopped.await;
            }
            running.stop().await;
        }
    }
}
