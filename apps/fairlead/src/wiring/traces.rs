//! Who is told of traces.

use anyhow::Context as _;
use fairlead_http::Collector;
use fairlead_telemetry::spans;
use tokio::task::JoinHandle;

use crate::config::Config;

/// Has spans collected from now on, if somebody is to be told of them; they are by the first server of a process alone.
pub(super) fn collect(config: &Config) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(url) = &config.tracing.otlp_url else {
        return Ok(None);
    };
    let version = env!("CARGO_PKG_VERSION");
    let collector =
        Collector::new(url, concat!("Fairlead/", env!("CARGO_PKG_VERSION"))).context("tracing.otlp_url")?;
    let resource = vec![
        ("service.name", "fairlead".to_owned()),
        ("service.version", version.to_owned()),
        ("service.instance.id", std::process::id().to_string()),
    ];
    let spans = spans::collect(config.tracing.percent, config.tracing.queue, resource);
    Ok(spans.map(|spans| fairlead_telemetry::spawn(collector.run(spans))))
}
