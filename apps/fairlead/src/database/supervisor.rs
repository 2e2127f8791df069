//! Keeps the embedded PostgreSQL running: one that was killed, by the kernel for want of memory or by hand, is started
//! again on the same port, and the pools find it there.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use fairlead_devstack::{Service, Stack};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The task that looks after one stack.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// Dropped to end the task.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(super) fn start(stack: Arc<Stack>, port: u16) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop,
            task: fairlead_telemetry::spawn(supervise(stack, port, stopped)),
        }
    }

    /// Ends the task; a restart that is under way is awaited, so that none follows.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // Whatever it ended by, it has ended.
        let _ = self.task.await;
    }
}

async fn supervise(stack: Arc<Stack>, port: u16, mut stopped: oneshot::Receiver<()>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = ticks.tick() => {}
        }
        if is_gone(port).await {
            restart(&stack).await;
        }
    }
}

/// Returns whether nobody listens. A server that is busy, or recovers, does.
async fn is_gone(port: u16) -> bool {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    matches!(connected, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

async fn restart(stack: &Arc<Stack>) {
    tracing::error!("the embedded database is gone; starting it again");
    let stack = Arc::clone(stack);
    match fairlead_telemetry::spawn_blocking(move || stack.restart(Service::Postgres)).await {
        Ok(Ok(())) => tracing::info!("the embedded database is back"),
        Ok(Err(error)) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the embedded database cannot be started again; trying on");
        }
        Err(error) => tracing::error!(error = %error, "starting the embedded database again panicked"),
    }
}
