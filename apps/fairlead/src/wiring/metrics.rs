//! The server of `GET /metrics`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use fairlead_api::{MetricSources, Services};
use fairlead_worker::{JobWorker, Worker};

use super::webhooks::Webhooks;
use crate::config::MetricsConfig;

/// A server of metrics that serves.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) address: SocketAddr,
    handle: ServerHandle,
}

impl Metrics {
    /// Starts to serve; `None` when metrics are switched off.
    pub(super) fn start(
        config: &MetricsConfig,
        services: &Services,
        worker: &Worker,
        jobs: &JobWorker,
        webhooks: &Webhooks,
    ) -> anyhow::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let wanted = SocketAddr::new(config.host, config.port);
        let listener = TcpListener::bind(wanted).with_context(|| {
            format!(
                "cannot listen on {wanted} for metrics; choose another port (FAIRLEAD__METRICS__PORT; 0 takes a free \
                 one), or switch metrics off (FAIRLEAD__METRICS__ENABLED=false)"
            )
        })?;
        let address = listener
            .local_addr()
            .context("cannot tell the address of metrics")?;
        let sources = MetricSources {
            cache: services.cache_control.clone(),
            nodes: services.nodes.clone(),
            events: Arc::new(worker.clone()),
            jobs: Arc::new(jobs.clone()),
            webhooks: webhooks.meters.clone(),
            upstreams: services.upstreams.clone(),
            voice: services.voice.clone(),
            connections: services.connections.clone(),
            times: services.times.clone(),
            tenant_meters: services.tenant_meters.clone(),
            leads: services.leads.clone(),
            statements: services.statements.clone(),
            open_connections: services.open_connections.clone(),
            rate_limits: services.rate_limits.clone(),
            gatekeeper: services.gatekeeper.clone(),
            tenants: config.tenants,
            version: env!("CARGO_PKG_VERSION"),
        };
        let (server, handle) =
            fairlead_api::serve_metrics(sources, listener).context("cannot serve metrics")?;
        fairlead_telemetry::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "metrics are served no more"
                );
            }
        });
        Ok(Some(Self { address, handle }))
    }

    pub(super) async fn stop(self) {
        self.handle.stop(false).await;
    }
}
