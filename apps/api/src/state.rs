use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use async_trait::async_trait;
use fairlead_domain::activities::ActivitySummarizer;
use fairlead_domain::ai::Asker;
use fairlead_domain::billing::{
    BillingDirectory, CheckoutSettings, EventSignatures, Limits, PaymentProvider, Prices,
};
use fairlead_domain::cache::{CacheControl, CacheWarming, ReadCache};
use fairlead_domain::clock::Clock;
use fairlead_domain::database::DatabaseNodes;
use fairlead_domain::events::{LiveLog, OtherProcesses};
use fairlead_domain::idempotency::AnswerSeal;
use fairlead_domain::identity::{
    AccessTokens, Issuer, LoginPolicy, PasswordHasher, RevokedSessions, Secrets,
};
use fairlead_domain::jobs::{Calendar, JobHandler, JobOperations, Schedules};
use fairlead_domain::performance::StatementMeters;
use fairlead_domain::store::{Store, SystemStore};
use fairlead_domain::upstreams::Upstreams;
use fairlead_domain::webhooks::{SigningSecrets, WebhookSender};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::Gatekeeper;
use crate::authentication::VerifiedCredentials;
use crate::compression::Compression;
use crate::consistency::ConsistencyTokens;
use crate::lead_meters::LeadMeters;
use crate::middleware::{RequestTimes, SlowRequests, TenantMeters, TrustedProxies};
use crate::paging::CursorKey;
use crate::performance::Performance;
use crate::plan_calls::PlanCalls;
use crate::rate_limits::RateLimits;
use crate::read::{Origin, Shortcuts};
use crate::realtime::{CatchUpTurns, Connections, OperationWatches};
use crate::routes::{ConfirmationKey, ImportPlaces, VoiceMeters, WarmTurn};
use crate::serve::OpenConnections;

/// All that handlers need from outside; made once by the wiring and shared by every worker.
#[derive(Clone, Debug)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub system: Arc<dyn SystemStore>,
    /// `None`: every read asks the database.
    pub cache: Option<Arc<dyn ReadCache>>,
    /// The operators' side of it; there when it is.
    pub cache_control: Option<Arc<dyn CacheControl>>,
    pub cache_warming: Option<Arc<dyn CacheWarming>>,
    pub warm_turn: WarmTurn,
    pub memory: Arc<dyn MemoryKeeper>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub tokens: Arc<dyn AccessTokens>,
    pub secrets: Arc<dyn Secrets>,
    pub revoked: Arc<dyn RevokedSessions>,
    pub verified: VerifiedCredentials,
    pub shortcuts: Shortcuts,
    pub times: RequestTimes,
    pub tenant_meters: TenantMeters,
    pub leads: LeadMeters,
    /// Clients that are connected to the API of this process.
    pub open_connections: OpenConnections,
    pub slow: SlowRequests,
    pub statements: Arc<dyn StatementMeters>,
    pub performance: Performance,
    pub plan_calls: PlanCalls,
    /// `None`: clients may ask as often as they like.
    pub rate_limits: Option<RateLimits>,
    /// `None`: any number of requests works at once.
    pub gatekeeper: Option<Gatekeeper>,
    pub clock: Arc<dyn Clock>,
    pub health: Arc<dyn HealthProbe>,
    pub nodes: Arc<dyn DatabaseNodes>,
    pub jobs: JobServices,
    pub live: Arc<dyn LiveLog>,
    pub webhooks: WebhookServices,
    pub billing: BillingServices,
    /// Whether there is a marketing service that can be told of leads.
    pub has_mailing_list: bool,
    pub upstreams: Arc<dyn Upstreams>,
    pub asker: Asker,
    pub summarizer: ActivitySummarizer,
    pub voice: VoiceMeters,
    pub confirmations: ConfirmationKey,
    /// Hides secrets that are kept in answers.
    pub answers: Arc<dyn AnswerSeal>,
    pub connections: Connections,
    pub others: Arc<dyn OtherProcesses>,
    pub catch_up_turns: CatchUpTurns,
    pub watches: OperationWatches,
    pub import_places: ImportPlaces,
    pub cursors: CursorKey,
    pub consistency: ConsistencyTokens,
    pub settings: ApiSettings,
}

impl Services {
    /// Those of the server that a request came to.
    pub(crate) fn of(request: &HttpRequest) -> &web::Data<Self> {
        request.app_data().expect("the server registers the services")
    }

    /// What it takes to answer questions.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            store: Arc::clone(&self.store),
            cursors: self.cursors.clone(),
        }
    }

    /// What it takes to hand out tokens.
    pub fn issuer(&self) -> Issuer<'_> {
        Issuer {
            access: &*self.tokens,
            secrets: &*self.secrets,
            session_lifetime: self.settings.session_lifetime,
            refresh_leeway: self.settings.refresh_leeway,
        }
    }
}

/// What operators do about jobs.
#[derive(Clone, Debug)]
pub struct JobServices {
    pub operations: Arc<dyn JobOperations>,
    pub schedules: Arc<dyn Schedules>,
    pub calendar: Arc<dyn Calendar>,
    /// Who do what can be scheduled.
    pub schedulable: Arc<[Arc<dyn JobHandler>]>,
    /// All kinds of jobs that are done here, sorted.
    pub kinds: Arc<[&'static str]>,
}

/// What webhooks are made with.
#[derive(Clone, Debug)]
pub struct WebhookServices {
    pub secrets: Arc<dyn SigningSecrets>,
    /// Says which URLs may be called.
    pub sender: Arc<dyn WebhookSender>,
    /// How many a tenant may have.
    pub max: u64,
}

/// What tenants pay with.
#[derive(Clone, Debug)]
pub struct BillingServices {
    /// `None`: nothing is for sale. It is not called here; jobs do that.
    pub provider: Option<Arc<dyn PaymentProvider>>,
    pub checkout: CheckoutSettings,
    /// `None`: what the provider tells is not taken.
    pub signatures: Option<Arc<dyn EventSignatures>>,
    pub directory: Arc<dyn BillingDirectory>,
    pub limits: Limits,
}

impl BillingServices {
    /// What there is to pay for: nothing, where nobody takes the money.
    pub(crate) fn for_sale(&self) -> Prices {
        match self.provider {
            Some(_) => self.checkout.prices.clone(),
            None => Prices::default(),
        }
    }
}

/// How the HTTP edge behaves. Every field is read.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    pub workers: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take to send the head of a request.
    pub client_timeout: Duration,
    /// How many connections one address may have, but that of a trusted proxy; 0: any number.
    pub max_connections_of_address: usize,
    /// How long requests in flight may take to finish once the server stops.
    pub shutdown: Duration,
    /// How long a request may take.
    pub deadline: Duration,
    /// Requests that take as long are warned of.
    pub slow_request: Duration,
    /// The most bytes of a JSON body.
    pub max_body_bytes: usize,
    /// The most bytes of the body of a bulk operation.
    pub max_bulk_body_bytes: usize,
    /// The most bytes of all headers of a request together.
    pub max_header_bytes: usize,
    /// The most bytes of a query string.
    pub max_query_bytes: usize,
    /// How deep a JSON body may be nested.
    pub max_json_depth: usize,
    /// Which answers are compressed, and how hard.
    pub compression: Compression,
    /// Whether clients reach the server by HTTPS, so that they may be told to use nothing else.
    pub behind_tls: bool,
    /// The origins whose pages may call the API and open a WebSocket, besides the server's own: `https://app.example.com`,
    /// or `*`.
    pub allowed_origins: Arc<[String]>,
    /// How often the client of a WebSocket is asked whether it is there, and for how long nothing need be heard of it.
    pub socket_ping: Duration,
    pub socket_silence: Duration,
    /// Whom to believe when they say for whom they ask.
    pub proxies: TrustedProxies,
    /// When failed logins lead to a lock-out.
    pub login: LoginPolicy,
    /// How long a session lives from its login.
    pub session_lifetime: time::Duration,
    /// For how long a refresh token that was traded can be traded again.
    pub refresh_leeway: time::Duration,
    /// How long an invitation can be accepted.
    pub invitation_lifetime: time::Duration,
}

/// Gives memory of the process back that is held for nothing.
#[async_trait]
pub trait MemoryKeeper: fmt::Debug + Send + Sync {
    async fn release(&self, what: Release) -> ReleasedMemory;

    /// What the allocator has; `None`: it cannot be asked.
    fn allocator(&self) -> Option<AllocatorUsage>;
}

/// What is given back, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// What serves nobody any more.
    Stale,
    /// All answers in memory: what Redis keeps comes back from there, the rest from the database.
    Caches,
    /// Connections to the database that nobody uses, beyond those that are always open.
    Connections,
    /// These as well; they are opened again within `database.pool.reap_interval_ms`.
    Everything,
}

/// What the allocator has of the system, and has given to the program.
#[derive(Clone, Copy, Debug)]
pub struct AllocatorUsage {
    /// What the program has asked for.
    pub allocated_bytes: u64,
    /// Pages that have some of it.
    pub active_bytes: u64,
    /// Pages that are in RAM.
    pub resident_bytes: u64,
    pub mapped_bytes: u64,
    /// Addresses that are kept without memory behind them.
    pub retained_bytes: u64,
}

/// What was given back. What cannot be measured or done is `None`.
#[derive(Clone, Copy, Debug)]
pub struct ReleasedMemory {
    /// Of the process, as the system counts it.
    pub resident_before_bytes: Option<u64>,
    pub resident_after_bytes: Option<u64>,
    /// Answers dropped from memory.
    pub dropped_answers: Option<u64>,
    /// What those took.
    pub dropped_bytes: Option<u64>,
    /// Connections to the database that were closed.
    pub closed_connections: u64,
    /// What the allocator gave back to the system when it was asked to; `None`: it cannot be asked.
    pub purged_bytes: Option<u64>,
}

/// Tells how the process and what it depends on are doing.
#[async_trait]
pub trait HealthProbe: fmt::Debug + Send + Sync {
    /// Asks everything that health depends on; bounded in time by the implementation.
    async fn check(&self) -> HealthReport;
}

/// How everything is doing.
#[derive(Clone, Debug)]
pub struct HealthReport {
    /// Keyed by name: at least `database`, `disk` and `memory`.
    pub checks: BTreeMap<&'static str, HealthCheck>,
    /// The last migration that the database has seen; `None` when it cannot be asked.
    pub schema_version: Option<String>,
    /// What the process does, of all that is to be done: `api`, `worker`, `relay`, `scheduler`.
    pub roles: Vec<&'static str>,
    /// How the message broker is.
    pub broker: BrokerStanding,
    /// What works less well than it could, in words: `no Redis: responses are cached by this process alone`.
    pub reduced: Vec<String>,
}

/// How the message broker is, as this process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerStanding {
    /// There is none, or other processes have to do with it.
    Nowhere,
    Away,
    Up {
        /// For how long the oldest event waits that has not come to all who are to handle it.
        oldest: Duration,
    },
}

impl HealthReport {
    /// Whether requests can be served.
    pub fn is_ready(&self) -> bool {
        self.checks
            .values()
            .all(|check| check.status != HealthStatus::Down)
    }
}

/// How one thing is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthCheck)]
pub struct HealthCheck {
    pub status: HealthStatus,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// Measured values by name and unit: `latencyMs`, `freeBytes`. What cannot be measured is absent.
    #[schema(example = json!({"latencyMs": 0.8}))]
    pub figures: BTreeMap<&'static str, f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Ok,
    /// Works, but is close to a limit.
    Warning,
    Down,
}
