use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use fairlead_domain::jobs::{Priorities, Queue};
use serde::{Deserialize, Serialize};

use super::Secret;
use super::keys::{KEYS, Preset};
use super::replicas::ReplicaConfig;
use super::roles::Roles;

/// How this process runs. What each key means: [`super::KEYS`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub preset: Preset,
    pub data_dir: PathBuf,
    pub roles: Roles,
    pub http: HttpConfig,
    pub database: DatabaseConfig,
    pub cache: CacheConfig,
    pub events: EventsConfig,
    pub jobs: JobsConfig,
    pub webhooks: WebhooksConfig,
    pub upstreams: UpstreamsConfig,
    pub ai: AiConfig,
    pub rate_limits: RateLimitsConfig,
    pub admission: AdmissionConfig,
    pub billing: BillingConfig,
    pub kit: KitConfig,
    pub auth: AuthConfig,
    // No key of this section has a default, so the section itself may be absent.
    #[serde(default)]
    pub security: SecurityConfig,
    pub log: LogConfig,
    pub metrics: MetricsConfig,
    pub tracing: TracingConfig,
    pub performance: PerformanceConfig,
}

impl Config {
    /// Returns the folder of the token-signing keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.auth
            .keys_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("keys"))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    pub host: IpAddr,
    pub port: u16,
    /// 0: one per core.
    pub workers: usize,
    #[serde(rename = "request_timeout_ms", with = "millis")]
    pub request_timeout: Duration,
    #[serde(rename = "slow_request_ms", with = "millis")]
    pub slow_request: Duration,
    #[serde(rename = "keep_alive_ms", with = "millis")]
    pub keep_alive: Duration,
    #[serde(rename = "client_timeout_ms", with = "millis")]
    pub client_timeout: Duration,
    #[serde(rename = "unread_timeout_ms", with = "millis")]
    pub unread_timeout: Duration,
    #[serde(rename = "drain_ms", with = "millis")]
    pub drain: Duration,
    #[serde(rename = "shutdown_timeout_ms", with = "millis")]
    pub shutdown_timeout: Duration,
    /// 0: any number.
    pub connections_per_address: usize,
    pub body_limit_bytes: usize,
    pub bulk_body_limit_bytes: usize,
    pub header_limit_bytes: usize,
    pub query_limit_bytes: usize,
    pub json_depth: usize,
    pub compression: CompressionConfig,
    /// Ranges with commas between them; `None`: nobody is believed for whom it asks.
    pub trusted_proxies: Option<String>,
    pub forwarded_header: ForwardedHeader,
    pub allowed_origins: Option<Vec<String>>,
    pub public_url: Option<String>,
    pub hsts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    XForwardedFor,
    Forwarded,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompressionConfig {
    pub enabled: bool,
    pub level: u32,
    pub threshold_bytes: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    pub url: Option<Secret>,
    pub system_url: Option<Secret>,
    pub owner_url: Option<Secret>,
    #[serde(default)]
    pub replicas: Vec<ReplicaConfig>,
    pub monitor: MonitorConfig,
    pub pool: PoolConfig,
    pub read_pool: ReadPoolConfig,
    pub system_pool: SystemPoolConfig,
    #[serde(rename = "statement_timeout_ms", with = "millis")]
    pub statement_timeout: Duration,
    #[serde(rename = "slow_query_ms", with = "millis")]
    pub slow_query: Duration,
    /// `None`: an embedded database is migrated, an external one is not.
    pub migrate_on_start: Option<bool>,
}

/// An external database, as each of its three roles reaches it.
#[derive(Clone, Debug)]
pub struct DatabaseUrls {
    /// `fairlead_app`: requests.
    pub app: Secret,
    /// `fairlead_system`: what is rightly cross-tenant.
    pub system: Secret,
    /// `fairlead_owner`: migrations.
    pub owner: Secret,
}

impl DatabaseConfig {
    /// Returns the external database; `None` means the embedded one.
    pub fn external(&self) -> Option<DatabaseUrls> {
        Some(DatabaseUrls {
            app: self.url.clone()?,
            system: self.system_url.clone()?,
            owner: self.owner_url.clone()?,
        })
    }

    pub fn migrates_on_start(&self) -> bool {
        self.migrate_on_start.unwrap_or(self.url.is_none())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    pub min: u32,
    pub max: u32,
    #[serde(rename = "acquire_timeout_ms", with = "millis")]
    pub acquire_timeout: Duration,
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    #[serde(rename = "create_timeout_ms", with = "millis")]
    pub create_timeout: Duration,
    #[serde(rename = "destroy_timeout_ms", with = "millis")]
    pub destroy_timeout: Duration,
    #[serde(rename = "idle_timeout_ms", with = "millis")]
    pub idle_timeout: Duration,
    #[serde(rename = "reap_interval_ms", with = "millis")]
    pub reap_interval: Duration,
    #[serde(rename = "create_retry_interval_ms", with = "millis")]
    pub create_retry_interval: Duration,
    #[serde(rename = "max_lifetime_ms", with = "millis")]
    pub max_lifetime: Duration,
    pub max_uses: u64,
}

/// The pool to each replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadPoolConfig {
    pub min: u32,
    pub max: u32,
    #[serde(rename = "acquire_timeout_ms", with = "millis")]
    pub acquire_timeout: Duration,
    #[serde(rename = "create_timeout_ms", with = "millis")]
    pub create_timeout: Duration,
    #[serde(rename = "idle_timeout_ms", with = "millis")]
    pub idle_timeout: Duration,
    #[serde(rename = "max_lifetime_ms", with = "millis")]
    pub max_lifetime: Duration,
    pub max_uses: u64,
}

/// How the nodes of the database are watched.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorConfig {
    #[serde(rename = "interval_ms", with = "millis")]
    pub interval: Duration,
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    #[serde(rename = "max_lag_ms", with = "millis")]
    pub max_lag: Duration,
    #[serde(rename = "return_after_ms", with = "millis")]
    pub return_after: Duration,
}

/// The second pool; what is not set is as in the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPoolConfig {
    pub min: u32,
    pub max: u32,
    pub acquire_timeout_ms: Option<u64>,
    pub create_timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub max_lifetime_ms: Option<u64>,
    pub max_uses: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    pub responses: ResponseCacheConfig,
    pub stale_seconds: u64,
    /// By kind of answer, where it is not as the others.
    #[serde(default = "as_the_others")]
    pub stale_seconds_of: BTreeMap<String, Option<u64>>,
    pub database_away_seconds: u64,
    pub memory: CacheMemoryConfig,
    pub redis: RedisConfig,
    pub warming: CacheWarmingConfig,
    /// By kind of answer, as its key names it; 0: not kept.
    pub ttl_seconds: BTreeMap<String, u64>,
}

/// No kind of answer is kept otherwise than the rest.
fn as_the_others() -> BTreeMap<String, Option<u64>> {
    let kinds = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix("cache.stale_seconds_of."));
    kinds.map(|kind| (kind.to_owned(), None)).collect()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseCacheConfig {
    pub enabled: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheMemoryConfig {
    pub capacity_bytes: u64,
    pub tenant_bytes: u64,
    pub largest_bytes: usize,
    pub eviction: CacheEviction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheEviction {
    Frequency,
    Recency,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheWarmingConfig {
    pub at_start: bool,
    /// 0: on demand alone.
    pub every_seconds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `None`: processes share nothing.
    pub url: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub prefix: String,
    pub connections: usize,
    #[serde(rename = "command_timeout_ms", with = "millis")]
    pub command_timeout: Duration,
    #[serde(rename = "unheard_ttl_ms", with = "millis")]
    pub unheard_ttl: Duration,
    pub compression_level: i32,
    pub encrypt: bool,
    /// Kinds of answers, separated by commas; `None`: all.
    pub encrypt_only: Option<String>,
    pub compress: bool,
    pub compress_only: Option<String>,
}

impl RedisConfig {
    /// The kinds of answers that `encrypt` means; `None`: all.
    pub fn encrypted_kinds(&self) -> Option<impl Iterator<Item = &str>> {
        self.encrypt_only.as_deref().map(kinds)
    }

    /// The kinds of answers that `compress` means; `None`: all.
    pub fn compressed_kinds(&self) -> Option<impl Iterator<Item = &str>> {
        self.compress_only.as_deref().map(kinds)
    }
}

/// The kinds of answers that a list names.
pub(super) fn kinds(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// 0: for ever.
    pub retention_days: u32,
    /// `None`: what is old is dropped.
    pub archive_dir: Option<PathBuf>,
    pub stream: StreamConfig,
    pub amqp: AmqpConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    pub max: usize,
    pub max_per_tenant: usize,
    #[serde(rename = "ping_ms", with = "millis")]
    pub ping: Duration,
    #[serde(rename = "silence_ms", with = "millis")]
    pub silence: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpConfig {
    /// `None`: there is no broker.
    pub url: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub prefix: String,
    #[serde(rename = "first_retry_ms", with = "millis")]
    pub first_retry: Duration,
    #[serde(rename = "catch_up_seconds", with = "seconds")]
    pub catch_up: time::Duration,
    pub dead_letters: u32,
}

impl EventsConfig {
    /// How long events are kept at least, once every reader has done them; `None`: for ever.
    pub fn retention(&self) -> Option<time::Duration> {
        (self.retention_days > 0).then(|| time::Duration::days(self.retention_days.into()))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsConfig {
    #[serde(rename = "sweep_ms", with = "millis")]
    pub sweep: Duration,
    #[serde(rename = "lease_ms", with = "millis")]
    pub lease: Duration,
    #[serde(rename = "stop_timeout_ms", with = "millis")]
    pub stop_timeout: Duration,
    #[serde(rename = "completed_retention_seconds", with = "seconds")]
    pub completed_retention: time::Duration,
    #[serde(rename = "dead_retention_seconds", with = "seconds")]
    pub dead_retention: time::Duration,
    pub lead_processing: QueueConfig,
    pub imports: QueueConfig,
    pub webhooks: QueueConfig,
    pub maintenance: QueueConfig,
    pub warming: QueueConfig,
    pub integrations: QueueConfig,
}

impl JobsConfig {
    pub fn queue(&self, queue: Queue) -> &QueueConfig {
        match queue {
            Queue::LeadProcessing => &self.lead_processing,
            Queue::Imports => &self.imports,
            Queue::Webhooks => &self.webhooks,
            Queue::Maintenance => &self.maintenance,
            Queue::Warming => &self.warming,
            Queue::Integrations => &self.integrations,
        }
    }

    pub fn priorities(&self) -> Priorities {
        Priorities::new(|queue| self.queue(queue).priority)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// 0: this process leaves the queue to others.
    pub concurrency: usize,
    /// Of jobs that say none.
    pub priority: i32,
    pub attempts: u32,
    #[serde(rename = "backoff_ms", with = "millis")]
    pub backoff: Duration,
    #[serde(rename = "max_backoff_ms", with = "millis")]
    pub max_backoff: Duration,
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    pub max_per_tenant: u64,
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    pub delivery_retention_days: u32,
    pub allow_http: bool,
    /// Ranges with commas between them; `None`: public addresses alone.
    pub allowed_networks: Option<String>,
    pub denied_networks: Option<String>,
}

impl WebhooksConfig {
    /// How long it is kept what became of deliveries.
    pub fn delivery_retention(&self) -> time::Duration {
        time::Duration::days(self.delivery_retention_days.into())
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    pub max_answer_bytes: usize,
    pub max_in_flight: usize,
    #[serde(rename = "max_wait_ms", with = "millis")]
    pub max_wait: Duration,
    pub retry_percent: u32,
    pub breaker: BreakerConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    pub failures: usize,
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    #[serde(rename = "recovery_ms", with = "millis")]
    pub recovery: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiConfig {
    /// `None`: nobody is asked.
    pub provider: Option<AiProvider>,
    pub url: Option<String>,
    pub api_key: Option<Secret>,
    pub model: Option<String>,
    pub transcription_model: Option<String>,
    #[serde(rename = "transcription_timeout_ms", with = "millis")]
    pub transcription_timeout: Duration,
    /// For a million tokens.
    pub input_price_cents: u64,
    pub output_price_cents: u64,
    pub monthly_tokens_per_tenant: u64,
    pub monthly_cents_per_tenant: u64,
}

impl AiConfig {
    /// The model that listens to recordings; `None`: none does. As Gemini speaks, the one that is asked does so itself where
    /// no other one is named.
    pub fn listener(&self) -> Option<&str> {
        let named = self.transcription_model.as_deref();
        match self.provider? {
            AiProvider::OpenAi => named,
            AiProvider::Gemini => named.or(self.model.as_deref()),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillingConfig {
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
    pub stripe: StripeConfig,
    // No key of these has a default.
    #[serde(default)]
    pub free: FreePlanConfig,
    #[serde(default)]
    pub team: PlanConfig,
    #[serde(default)]
    pub business: PlanConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KitConfig {
    pub url: String,
    /// `None`: there is no mailing list.
    pub api_key: Option<Secret>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeConfig {
    pub url: String,
    /// `None`: nothing is for sale.
    pub api_key: Option<Secret>,
    /// `None`: nothing that it tells is taken.
    pub webhook_secret: Option<Secret>,
    pub old_webhook_secret: Option<Secret>,
    /// `None`: it is not told what tenants use.
    pub meter_event_name: Option<String>,
}

/// What costs nothing has no price.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "as the keys are called")]
pub struct FreePlanConfig {
    /// `None`: any number.
    pub max_leads: Option<u64>,
    pub max_users: Option<u64>,
    /// Of the API, within a calendar month.
    pub max_calls: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanConfig {
    /// `None`: the plan is not for sale.
    pub price: Option<String>,
    /// `None`: any number.
    pub max_leads: Option<u64>,
    pub max_users: Option<u64>,
    /// Of the API, within a calendar month.
    pub max_calls: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AiProvider {
    #[serde(rename = "openai")]
    OpenAi,
    Gemini,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitsConfig {
    pub enabled: bool,
    pub shadow: bool,
    #[serde(rename = "window_seconds", with = "whole_seconds")]
    pub window: Duration,
    /// 0, here and below: any number.
    pub address: u32,
    pub tenant: u32,
    pub api_key: u32,
    /// How many keys are told apart.
    pub capacity: usize,
    /// By operation, as its key names it.
    pub operations: BTreeMap<String, u32>,
    // No key of these has a default.
    #[serde(default)]
    pub plans: PlanRatesConfig,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanRatesConfig {
    pub team: RatesConfig,
    pub business: RatesConfig,
}

/// How often tenants of a plan may ask. `None`: as any tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    pub tenant: Option<u32>,
    pub api_key: Option<u32>,
    /// By operation, as its key names it.
    pub operations: BTreeMap<String, Option<u32>>,
}

impl Default for RatesConfig {
    fn default() -> Self {
        let keys = KEYS.iter();
        let operations = keys.filter_map(|key| key.path.strip_prefix("rate_limits.plans.team.operations."));
        Self {
            tenant: None,
            api_key: None,
            operations: operations.map(|operation| (operation.to_owned(), None)).collect(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionConfig {
    pub enabled: bool,
    pub min_limit: u32,
    /// 0: as many as connections.
    pub max_limit: u32,
    pub slowdown_percent: u32,
    #[serde(rename = "max_wait_ms", with = "millis")]
    pub max_wait: Duration,
    pub max_waiting: usize,
    pub bulk_percent: u32,
    /// `<tenant>=<weight>` each.
    pub weights: Option<Vec<String>>,
    pub errors: AdmissionErrorsConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionErrorsConfig {
    /// 0: never.
    pub begin_percent: u32,
    pub end_percent: u32,
    #[serde(rename = "window_seconds", with = "whole_seconds")]
    pub window: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    pub issuer: String,
    pub audience: String,
    #[serde(rename = "access_ttl_seconds", with = "seconds")]
    pub access_ttl: time::Duration,
    #[serde(rename = "refresh_ttl_seconds", with = "seconds")]
    pub refresh_ttl: time::Duration,
    #[serde(rename = "refresh_leeway_seconds", with = "seconds")]
    pub refresh_leeway: time::Duration,
    #[serde(rename = "invitation_ttl_seconds", with = "seconds")]
    pub invitation_ttl: time::Duration,
    /// See [`Config::keys_dir`].
    pub keys_dir: Option<PathBuf>,
    /// 0: one per core.
    pub hash_concurrency: usize,
    pub lockout: LockoutConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockoutConfig {
    pub account_failures: u32,
    #[serde(rename = "account_lockout_seconds", with = "seconds")]
    pub account_lockout: time::Duration,
    pub address_failures: u32,
    #[serde(rename = "address_lockout_seconds", with = "seconds")]
    pub address_lockout: time::Duration,
    #[serde(rename = "window_seconds", with = "seconds")]
    pub window: time::Duration,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityConfig {
    /// `None`: generated into the data folder; only with the embedded database.
    pub secret: Option<Secret>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    pub enabled: bool,
    pub host: IpAddr,
    pub port: u16,
    /// How many tenants have series of their own.
    pub tenants: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracingConfig {
    /// `None`: spans are not collected.
    #[serde(default)]
    pub otlp_url: Option<String>,
    /// How many of a hundred traces that begin here are told.
    pub percent: u8,
    /// How many spans wait at the most.
    pub queue: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerformanceConfig {
    /// Whether requests and statements are measured.
    pub recording: bool,
    /// Between two times that what was measured is written down.
    #[serde(rename = "interval_ms", with = "millis")]
    pub interval: Duration,
    /// How many of a hundred messages of browsers are taken note of.
    pub web_vitals_percent: u8,
    pub acts: ActsConfig,
    pub memory: MemoryConfig,
    // No key of this section has a default, so the section itself may be absent.
    #[serde(default)]
    pub alerts: AlertsConfig,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActsConfig {
    /// For how long statements are measured with a new index before it is judged.
    #[serde(rename = "watch_ms", with = "millis")]
    pub watch: Duration,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    pub limit_mib: u64,
    /// Between two looks at how much of it is used.
    #[serde(rename = "check_ms", with = "millis")]
    pub check: Duration,
    /// Whether memory is given back when it runs out; otherwise it is only told.
    pub relieve: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "as the keys are called")]
pub struct AlertsConfig {
    /// `None`: nothing is posted.
    pub webhook_url: Option<String>,
    pub webhook_secret: Option<Secret>,
    pub webhook_networks: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, otherwise JSON.
    Auto,
    Pretty,
    Json,
}

impl From<LogFormat> for fairlead_telemetry::logging::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Auto => Self::Auto,
            LogFormat::Pretty => Self::Pretty,
            LogFormat::Json => Self::Json,
        }
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

mod whole_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use time::Duration;

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(value.whole_seconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        i64::deserialize(deserializer).map(Duration::seconds)
    }
}
