//! What the process tells Prometheus, on a port of its own.
//!
//! Every figure is one that somebody keeps, and is read when it is asked for. A
//! new kind of figures is a file beside [`cache`], and a line in [`write_page`].

mod admission;
mod cache;
mod connections;
mod database;
mod events;
mod jobs;
mod leads;
mod process;
mod rate_limits;
mod requests;
mod statements;
mod tenants;
mod upstreams;
mod voice;
mod webhooks;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpResponse, HttpServer, get, web};
use fairlead_domain::cache::CacheControl;
use fairlead_domain::database::DatabaseNodes;
use fairlead_domain::events::EventsMonitor;
use fairlead_domain::jobs::JobsMonitor;
use fairlead_domain::performance::StatementMeters;
use fairlead_domain::upstreams::Upstreams;
use fairlead_domain::webhooks::WebhooksMonitor;
use fairlead_telemetry::metrics::{CONTENT_TYPE, Page};

use cache::CacheSeries;
use leads::LeadSeries;
use requests::TenantSeries;
use voice::VoiceSeries;

use crate::admission::Gatekeeper;
use crate::lead_meters::LeadMeters;
use crate::middleware::{RequestTimes, TenantMeters};
use crate::rate_limits::RateLimits;
use crate::realtime::Connections;
use crate::routes::VoiceMeters;
use crate::serve::OpenConnections;

/// How tenants without a series of their own are called.
const OTHERS: &str = "other";

/// Whom figures are asked of.
#[derive(Clone, Debug)]
pub struct MetricSources {
    /// `None`: no answers are kept.
    pub cache: Option<Arc<dyn CacheControl>>,
    pub nodes: Arc<dyn DatabaseNodes>,
    pub events: Arc<dyn EventsMonitor>,
    pub jobs: Arc<dyn JobsMonitor>,
    pub webhooks: Arc<dyn WebhooksMonitor>,
    pub upstreams: Arc<dyn Upstreams>,
    pub voice: VoiceMeters,
    pub connections: Connections,
    pub times: RequestTimes,
    pub tenant_meters: TenantMeters,
    pub leads: LeadMeters,
    pub statements: Arc<dyn StatementMeters>,
    pub open_connections: OpenConnections,
    /// `None`: clients may ask as often as they like.
    pub rate_limits: Option<RateLimits>,
    /// `None`: any number of requests works at once.
    pub gatekeeper: Option<Gatekeeper>,
    /// How many tenants have series of their own, at the most: those that ask most. All others are one.
    pub tenants: usize,
    /// Of this program.
    pub version: &'static str,
}

/// What is behind `GET /metrics`.
#[derive(Debug)]
struct Metrics {
    sources: MetricSources,
    cache: Mutex<CacheSeries>,
    leads: Mutex<LeadSeries>,
    requests: Mutex<TenantSeries>,
    voice: Mutex<VoiceSeries>,
}

/// Builds a server that answers `GET /metrics`, on a thread of its own: requests to the API do not wait for it.
pub fn serve_metrics(sources: MetricSources, listener: TcpListener) -> io::Result<(Server, ServerHandle)> {
    let metrics = web::Data::new(Metrics {
        cache: Mutex::new(CacheSeries::new(sources.tenants)),
        leads: Mutex::new(LeadSeries::new(sources.tenants)),
        requests: Mutex::new(TenantSeries::new(sources.tenants)),
        voice: Mutex::new(VoiceSeries::new(sources.tenants)),
        sources,
    });
    let server = HttpServer::new(move || App::new().app_data(metrics.clone()).service(metrics_page))
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    Ok((server, handle))
}

#[get("/metrics")]
async fn metrics_page(metrics: web::Data<Metrics>) -> HttpResponse {
    let mut page = Page::default();
    write_page(&metrics, &mut page);
    HttpResponse::Ok()
        .content_type(CONTENT_TYPE)
        .body(page.into_text())
}

fn write_page(metrics: &Metrics, page: &mut Page) {
    let sources = &metrics.sources;
    process::write(page, sources.version);
    requests::write(page, &sources.times);
    locked(&metrics.requests).write(page, &sources.tenant_meters);
    statements::write(page, &sources.statements.statements());
    leads::write(page, &mut locked(&metrics.leads), &sources.leads);
    page.gauge(
        "active_connections",
        "Clients that are connected to the API of this process.",
    )
    .sample(&[], sources.open_connections.count());
    database::write(page, &sources.nodes.nodes());
    events::write(page, &sources.events.report());
    connections::write(page, &sources.connections, sources.tenants);
    jobs::write(page, &sources.jobs.report());
    webhooks::write(page, &sources.webhooks.report());
    upstreams::write(page, &sources.upstreams.report());
    if let Some(limits) = &sources.rate_limits {
        rate_limits::write(page, limits);
    }
    if let Some(keeper) = &sources.gatekeeper {
        admission::write(page, keeper);
    }
    voice::write(page, &mut locked(&metrics.voice), &sources.voice);
    if let Some(cache) = &sources.cache {
        let report = cache.report();
        locked(&metrics.cache).write(page, &report);
    }
}

fn locked<T>(series: &Mutex<T>) -> MutexGuard<'_, T> {
    series.lock().unwrap_or_else(PoisonError::into_inner)
}
