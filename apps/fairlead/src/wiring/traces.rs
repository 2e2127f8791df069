//! Who is told of traces.

use std::time::Duration;

use anyhow::Context as _;
use fairlead_http::collector;
use fairlead_telemetry::spans::{self, KeyValue, Traces, TracesSettings};

use crate::config::Config;

/// How long a process that ends waits for the collector to take what is left.
const WITHIN: Duration = Duration::from_secs(3);

/// The traces of this process, if somebody is to be told of them.
pub(crate) fn collected(config: &Config) -> anyhow::Result<Option<Traces>> {
    let Some(url) = &config.tracing.otlp_url else {
        return Ok(None);
    };
    let agent = concat!("Fairlead/", env!("CARGO_PKG_VERSION"));
    let exporter = collector(url, agent).context("tracing.otlp_url")?;
    let settings = TracesSettings {
        percent: config.tracing.percent,
        queue: config.tracing.queue,
        resource: vec![
            KeyValue::new("service.name", "fairlead"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", std::process::id().to_string()),
        ],
    };
    Ok(Some(Traces::new(exporter, settings)))
}

/// Hands over the spans that are left, when there will be no more.
pub(crate) async fn hand_over() {
    // It ends by itself.
    let _ = fairlead_telemetry::spawn_blocking(|| spans::shut_down(WITHIN)).await;
}
