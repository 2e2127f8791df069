//! From the configuration to a running server.
//!
//! The only place that sees both the ports and what is behind them. [`start`] opens the database, checks that it is
//! safe, connects the stores, and serves; [`Running::stop`] takes it all down in the opposite order.

mod admission;
mod alerts;
mod background;
mod billing;
mod breakers;
mod cache;
mod edge;
mod events;
mod health;
mod jobs;
mod memory;
mod metrics;
mod rate_limits;
mod relief;
mod safety;
mod settings;
mod traces;
mod upstreams;
mod webhooks;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use fairlead_api::{
    AlertRounds, CatchUpTurns, Connections, ImportPlaces, JobServices, Offer, OpenConnections,
    OperationWatches, Performance, PerformanceSettings, PlanCalls, Recorder, RequestTimes, Services,
    Shortcuts, SlowRequests, TenantMeters, VoiceMeters, WarmTurn,
};
use fairlead_auth::{AccessTokenSettings, Argon2PasswordHasher, JwtAccessTokens, KeyRing, Sha256Secrets};
use fairlead_cache::Warmer;
use fairlead_domain::activities::ActivitySummarizer;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::database::DatabaseNodes as _;
use fairlead_domain::events::{EventLog as _, EventsMonitor as _};
use fairlead_domain::store::Store;
use fairlead_postgres::PgQueryPlans;
use fairlead_worker::{JobTasks, Live, Observing, Worker};
use socket2::SockRef;
use tokio::task::JoinHandle;

use crate::config::{Config, Role, Secret};
use crate::database::{Database, Progress};
use crate::stores::{self, Stores};
use crate::system::{SystemClock, SystemIds, process_name};
use crate::{secret_file, tls};
use background::Background;
use edge::Edge;
use events::Events;
use health::{Brokering, Caching};
use metrics::Metrics;
use rate_limits::Limiting;
use relief::Relieving;
use upstreams::Called;
use webhooks::Webhooks;

pub(crate) use cache::{shared_settings, start_to_tell as cache_to_tell};
pub(crate) use events::broker_settings;
pub(crate) use settings::{hash_concurrency, hasher_limits};
pub(crate) use traces::{collected as collected_traces, hand_over as hand_over_traces};
pub(crate) use upstreams::{language_model, mailing_list, payment_provider};

/// What a server takes from outside; tests bring their own.
#[derive(Clone, Debug)]
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Is told what takes long before the server serves.
    pub progress: Progress,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            progress: |text| tracing::info!("{text}"),
        }
    }
}

/// How long a server that stops waits for Redis, so that others know what it has changed.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    server: Assembled,
    database: Database,
}

/// Starts a server with the real clock and the real ids.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    start_with(config, Parts::default()).await
}

/// Starts a server; returns once it accepts connections.
pub async fn start_with(config: &Config, parts: Parts) -> anyhow::Result<Running> {
    tls::install_provider();
    let database = Database::open_to_serve(config, parts.progress).await?;
    match assemble(config, &parts, &database).await {
        Ok(server) => Ok(Running { server, database }),
        Err(error) => {
            database.stop().await;
            Err(error)
        }
    }
}

/// All of [`Running`] but the database, which whoever opened it stops when assembling fails.
#[derive(Debug)]
struct Assembled {
    address: SocketAddr,
    url: String,
    handle: ServerHandle,
    /// Ends when the server does.
    serving: JoinHandle<std::io::Result<()>>,
    connections: OpenConnections,
    /// For how long those are answered on when the server stops.
    drain: Duration,
    metrics: Option<Metrics>,
    background: Background,
    jobs: JobTasks,
    /// How long those may take that are under way when the server stops.
    job_limit: Duration,
    worker: Worker,
    live: Live,
    performance: Performance,
    stores: Stores,
    caching: Caching,
    brokering: Brokering,
}

async fn assemble(config: &Config, parts: &Parts, database: &Database) -> anyhow::Result<Assembled> {
    let secret = secret_file::installation_secret(config)?;
    safety::require_current_schema(database).await?;
    let edge = Edge::new(config, &secret)?;
    let stores = connect(config, parts, database, &secret, &edge).await?;

    let keys = KeyRing::open_or_create(&config.keys_dir(), parts.clock.now())
        .context("cannot read the signing keys")?;
    let keys = Arc::new(keys);
    let caching = Caching {
        cache: edge.cache.clone(),
        keeps: config.cache.responses.enabled,
        shares: config.cache.redis.url.is_some(),
    };
    let observing = observing(config, &edge, &stores).await?;
    let events = Events::new(config, &stores, &parts.clock, edge.signal.clone(), observing)?;
    let worker = events.worker.clone();
    let called = Called::new(config, &parts.clock)?;
    let limiting = Limiting::start(config, &secret)?;
    let upstreams = Arc::new(called.upstreams.clone());
    let breakers = breakers::sharing(config, &secret, upstreams, &parts.clock)?;
    let health = health::PgHealthProbe::new(
        &stores,
        caching.clone(),
        worker.clone(),
        called.clone(),
        limiting.clone(),
        database,
        config,
    );
    let live = events.live.clone();
    let signal = edge.jobs.clone();
    let webhooks = Webhooks::new(
        &config.webhooks,
        jobs::settings(&config.jobs.webhooks),
        &secret,
        &parts.clock,
    )?;
    let warmer = warmer(config, &edge, &stores);
    let warming = warmer.clone();
    let handlers = jobs::handlers(
        config,
        &stores,
        &parts.clock,
        &webhooks,
        &called,
        warming,
        database,
    )?;
    let ready = Ready {
        keys: &keys,
        health,
        jobs: jobs::services(&stores, &handlers),
        live: &live,
        webhooks: &webhooks,
        called: &called,
        limiting,
        warmer,
    };
    let services = services(config, parts, edge, &stores, ready)?;

    let listener = listen(config)?;
    let address = listener
        .local_addr()
        .context("cannot tell the address listened on")?;
    let name = process_name(address);
    let relieving = Relieving::new(&services, config, name.clone());
    let jobs = jobs::worker(config, &stores, signal, &*parts.clock, handlers, name);
    let metrics = Metrics::start(&config.metrics, &services, &worker, &jobs, &webhooks)?;
    let offer = offer(config);
    measure_or_not(config, &stores);
    let recorder = Recorder::new(services.clone(), Arc::new(jobs.clone()));
    let rounds = AlertRounds::new(services.clone());
    let performance = services.performance.clone();
    let connections = services.open_connections.clone();
    let cluster = Arc::clone(&stores.cluster);
    let started = fairlead_api::serve(services, offer, vec![listener], move || cluster.keep_open_here());
    let (server, handle) = match started {
        Ok(started) => started,
        Err(error) => return Err(give_up(metrics, error).await),
    };
    // Last, because nobody would end these if a step after them failed.
    let background = Background::start(&stores, &keys, &events, breakers, recorder, rounds, relieving);
    let jobs = jobs.spawn();
    Ok(Assembled {
        address,
        url: settings::public_url(config, address),
        handle,
        serving: fairlead_telemetry::spawn(server),
        connections,
        drain: config.http.drain,
        metrics,
        background,
        jobs,
        job_limit: config.jobs.stop_timeout,
        worker,
        live,
        performance,
        stores,
        caching,
        brokering: Brokering::of(config),
    })
}

fn warmer(config: &Config, edge: &Edge, stores: &Stores) -> Option<Arc<Warmer>> {
    let cache = edge.kept_answers(config)?;
    let store = Arc::clone(&stores.store) as Arc<dyn Store>;
    let lately = Arc::clone(&stores.system) as _;
    Some(cache::warmer(config, cache, store, lately, edge.cursors.clone()))
}

/// Ends what was begun before the server.
async fn give_up(metrics: Option<Metrics>, error: std::io::Error) -> anyhow::Error {
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    anyhow::Error::new(error).context("cannot start the server")
}

fn offer(config: &Config) -> Offer {
    if config.roles.has(Role::Api) {
        Offer::Api
    } else {
        Offer::Health
    }
}

fn measure_or_not(config: &Config, stores: &Stores) {
    if !config.performance.recording {
        stores.cluster.measure_nothing();
        tracing::warn!(
            "performance.recording is false: nothing is known of how requests and statements fare, and no alert comes of it"
        );
    }
}

/// Connects to everything, and has what requests rely on read or written down.
async fn connect(
    config: &Config,
    parts: &Parts,
    database: &Database,
    secret: &Secret,
    edge: &Edge,
) -> anyhow::Result<Stores> {
    let postgres = stores::server_config(config, database, secret);
    let (clock, ids) = (Arc::clone(&parts.clock), Arc::clone(&parts.ids));
    let stores = Stores::connect(&postgres, clock, ids, edge.listeners(), config.jobs.priorities()).await?;
    if let Some(cache) = &edge.cache {
        cache.tell_writes_to(stores.cluster.last_writes());
        stores.cluster.tell_timelines_to(Arc::new(cache.clone()));
        cache.ask_log_end_of(stores.system.clone());
    }
    safety::require_safe(&stores).await?;
    stores
        .system
        .learn_revocations()
        .await
        .context("cannot read which sessions are revoked")?;
    stores
        .system
        .keep_plan_limits(billing::limits(config))
        .await
        .context("cannot write down what plans allow")?;
    Ok(stores)
}

/// The cache sees all events behind this moment, at which it has kept nothing yet. It keeps nothing where neither requests
/// are served nor jobs warm it.
async fn observing(config: &Config, edge: &Edge, stores: &Stores) -> anyhow::Result<Option<Observing>> {
    let keeps = [Role::Api, Role::Worker]
        .into_iter()
        .any(|role| config.roles.has(role));
    let Some(cache) = edge.cache.as_ref().filter(|_| keeps) else {
        return Ok(None);
    };
    let from = stores
        .system
        .end()
        .await
        .context("cannot read the log of events")?;
    Ok(Some(Observing {
        observer: Arc::new(cache.clone()),
        from,
    }))
}

/// What the API is given as it is.
struct Ready<'a> {
    keys: &'a Arc<KeyRing>,
    health: health::PgHealthProbe,
    jobs: JobServices,
    live: &'a Live,
    webhooks: &'a Webhooks,
    called: &'a Called,
    limiting: Option<Limiting>,
    warmer: Option<Arc<Warmer>>,
}

fn services(
    config: &Config,
    parts: &Parts,
    edge: Edge,
    stores: &Stores,
    ready: Ready<'_>,
) -> anyhow::Result<Services> {
    let tokens = AccessTokenSettings {
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        lifetime: config.auth.access_ttl,
    };
    let cache = edge.kept_answers(config).cloned();
    let connections = Connections::new(Arc::clone(&parts.ids), Arc::clone(&parts.clock));
    let here = connections.clone();
    stores.system.on_asked_to_end(move |connection| {
        here.end(connection);
    });
    Ok(Services {
        store: stores.store.clone(),
        system: stores.system.clone(),
        cache: cache.clone().map(|cache| Arc::new(cache) as _),
        cache_control: cache.clone().map(|cache| Arc::new(cache) as _),
        cache_warming: ready.warmer.map(|warmer| warmer as _),
        warm_turn: WarmTurn::default(),
        memory: Arc::new(memory::ProcessMemory {
            cache,
            cluster: stores.cluster.clone(),
        }),
        hasher: Arc::new(Argon2PasswordHasher::new(hasher_limits(config))),
        tokens: Arc::new(JwtAccessTokens::new(Arc::clone(ready.keys), tokens)),
        secrets: Arc::new(Sha256Secrets),
        revoked: stores.revoked.clone(),
        verified: edge.verified,
        shortcuts: Shortcuts::default(),
        times: RequestTimes::default(),
        slow: SlowRequests::default(),
        tenant_meters: TenantMeters::default(),
        leads: edge.leads,
        open_connections: OpenConnections::default(),
        statements: stores.cluster.clone(),
        performance: Performance::new(
            stores.system.clone(),
            stores.system.clone(),
            stores.system.clone(),
            Arc::new(PgQueryPlans::new(stores.cluster.clone())),
            stores.system.clone(),
            Arc::new(jobs::event_months(config, stores)),
            PerformanceSettings {
                recording: config.performance.recording,
                interval: config.performance.interval,
                most_clients: config.events.stream.max as u64,
                data_dir: config.data_dir.as_path().into(),
                channels: alerts::channels(config),
                web_vitals_percent: config.performance.web_vitals_percent,
            },
        ),
        plan_calls: PlanCalls::default(),
        rate_limits: ready.limiting.map(|limiting| limiting.limits),
        gatekeeper: admission::gatekeeper(config)?,
        clock: Arc::clone(&parts.clock),
        health: Arc::new(ready.health),
        nodes: stores.cluster.clone(),
        jobs: ready.jobs,
        live: Arc::new(ready.live.clone()),
        webhooks: ready.webhooks.services(config),
        billing: billing::services(config, stores, ready.called),
        has_mailing_list: ready.called.mailing_list.is_some(),
        upstreams: Arc::new(ready.called.upstreams.clone()),
        asker: ready.called.asker.clone(),
        summarizer: ActivitySummarizer {
            store: stores.store.clone(),
            asker: ready.called.asker.clone(),
        },
        voice: VoiceMeters::default(),
        confirmations: edge.confirmations,
        answers: edge.answers,
        watches: OperationWatches::new(stores.store.clone()),
        import_places: ImportPlaces::default(),
        connections,
        others: stores.system.clone(),
        catch_up_turns: CatchUpTurns::new(config.database.pool.max),
        cursors: edge.cursors,
        consistency: edge.consistency,
        settings: settings::api_settings(config)?,
    })
}

fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let wanted = SocketAddr::new(config.http.host, config.http.port);
    let listener = TcpListener::bind(wanted).with_context(|| {
        format!("cannot listen on {wanted}; choose another port (--port, FAIRLEAD__HTTP__PORT; 0 takes a free one)")
    })?;
    // All connections have it from here. Of a client that does not read, nothing else is heard: what waits for it is
    // not even looked at.
    SockRef::from(&listener)
        .set_tcp_user_timeout(Some(config.http.unread_timeout))
        .context("cannot limit how long a client may leave unread what it is sent")?;
    Ok(listener)
}

impl Running {
    /// Returns the address listened on; its port is the one taken when the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns where clients reach the server, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Returns where `GET /metrics` is served; `None` when it is not.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics.as_ref().map(|metrics| metrics.address)
    }

    /// What this server does without, in words.
    pub fn reduced(&self) -> Vec<String> {
        health::reduced(
            &self.server.stores.cluster.nodes(),
            &self.server.caching,
            &self.server.worker.report(),
            self.server.brokering,
        )
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Waits until the server ends by itself, which it only does when it fails.
    pub async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.server.serving).await {
            Ok(Ok(())) => anyhow::anyhow!("the server ended"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the server failed"),
            Err(error) => anyhow::Error::new(error).context("the server panicked"),
        }
    }

    /// Begins no more jobs, and closes connections with their next answers for `http.drain_ms`. Then takes no new requests,
    /// finishes those in flight within `http.shutdown_timeout_ms`, then the jobs within `jobs.stop_timeout_ms`, and closes
    /// what they used.
    pub async fn stop(self) {
        let server = self.server;
        server.jobs.close();
        // Streams would go on for ever.
        server.live.close();
        server.performance.close_streams();
        server.connections.send_away(server.drain).await;
        server.handle.stop(true).await;
        if let Some(metrics) = server.metrics {
            metrics.stop().await;
        }
        server.jobs.stop(server.job_limit).await;
        server.background.stop().await;
        if let Some(cache) = &server.caching.cache
            && !cache.close(TELL_WITHIN).await
        {
            tracing::warn!(
                "other processes were not told of all changes; they will miss this one, and drop what they keep"
            );
        }
        server.stores.close().await;
        self.database.stop().await;
    }
}
