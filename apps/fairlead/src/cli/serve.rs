use std::net::IpAddr;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Input, Role, load};
use crate::output;
use crate::wiring::{self, Parts, Running};

const EXAMPLES: &str = "\
Examples:
  fairlead serve          embedded PostgreSQL, http://127.0.0.1:8080
  fairlead serve --host 0.0.0.0 --port 9000
  fairlead serve --roles worker,relay,scheduler    all but to answer requests
  fairlead serve --preset highPerformance --config /etc/fairlead.toml

SIGTERM and Ctrl-C finish what is in flight and stop everything; a second one stops at once.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Address to listen on; 0.0.0.0 for all
    #[arg(long)]
    host: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// What this process does, of api,worker,relay,scheduler; all, unless given
    #[arg(long, value_name = "ROLES")]
    roles: Option<String>,
}

pub(super) async fn run(args: &ServeArgs, input: Input) -> anyhow::Result<()> {
    let input = input
        .flag("http.host", "--host", args.host)
        .flag("http.port", "--port", args.port)
        .flag("roles", "--roles", args.roles.as_ref());
    let config = load(&input)?.config;
    crate::tls::install_provider();
    let traces = wiring::collected_traces(&config)?;
    fairlead_telemetry::logging::init(config.log.format.into(), &config.log.filter, traces)?;
    let mut signals = Signals::new()?;

    let parts = Parts {
        progress: output::progress,
        ..Parts::default()
    };
    let mut running = tokio::select! {
        started = wiring::start_with(&config, parts) => started?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped while starting");
            return Ok(());
        }
    };
    announce(&config, &running);
    let outcome = tokio::select! {
        error = running.failed() => Err(error),
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: requests in flight are finished; signal again to stop at once");
            Ok(())
        }
    };
    let stopping = async {
        running.stop().await;
        wiring::hand_over_traces().await;
    };
    tokio::select! {
        () = stopping => tracing::info!("stopped"),
        name = signals.next() => {
            // The watchdog of the embedded database stops it when this process is gone.
            tracing::warn!(signal = name, "stopped at once");
            std::process::exit(1);
        }
    }
    outcome
}

/// Says what runs, where, and what it does without.
fn announce(config: &Config, running: &Running) {
    let (url, database) = (running.url(), running.database().describe());
    let serves = if config.roles.has(Role::Api) {
        format!("serving {url} (docs: {url}/docs) on {database}")
    } else {
        format!("doing {} on {database}; health: {url}/health/ready", config.roles)
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %running.address(),
        preset = config.preset.as_str(),
        roles = %config.roles,
        data_dir = %config.data_dir.display(),
        metrics = running.metrics_address().map(tracing::field::display),
        "{serves}",
    );
    tracing::info!("reduced: {}", running.reduced().join("; "));
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal that asks this process to end, and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
