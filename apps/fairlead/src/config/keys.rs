//! The table of all keys.

mod admission;
mod answers;
mod billing;
mod jobs;
mod pools;
mod rate_limits;
mod upstreams;
mod webhooks;

use fairlead_domain::identity::LONGEST_ACCESS_TOKEN;
use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Values that go together, for one way to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Preset {
    /// A laptop: readable logs, few connections.
    Development,
    /// Production: every core, many connections, logs for machines.
    HighPerformance,
    /// Production on a budget: one core, few connections that are given back early, logs of what matters.
    CostOptimized,
}

impl Preset {
    pub const ALL: [Self; 3] = [Self::Development, Self::HighPerformance, Self::CostOptimized];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::HighPerformance => "highPerformance",
            Self::CostOptimized => "costOptimized",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text)
    }
}

/// One key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Sections and name, joined by dots: `database.pool.max`.
    pub path: &'static str,
    pub meaning: &'static str,
    pub unit: Option<&'static str>,
    pub kind: Kind,
    /// Written as in the environment; `None`: not set unless somebody sets it.
    pub default: Option<&'static str>,
    /// What presets say instead.
    pub presets: &'static [(Preset, &'static str)],
    /// Other environment variables that set this key.
    pub aliases: &'static [&'static str],
}

impl Key {
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    pub fn is_secret(&self) -> bool {
        matches!(
            self.kind,
            Kind::Secret { .. } | Kind::PostgresUrl | Kind::RedisUrl | Kind::AmqpUrl | Kind::Replicas
        )
    }

    /// Returns the environment variable of this key: `FAIRLEAD__DATABASE__POOL__MAX`.
    pub fn variable(&self) -> String {
        format!("FAIRLEAD__{}", self.path.replace('.', "__").to_uppercase())
    }

    const fn new(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Self {
        Self {
            path,
            meaning,
            unit: None,
            kind,
            default: Some(default),
            presets: &[],
            aliases: &[],
        }
    }

    const fn optional(path: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self {
            path,
            meaning,
            unit: None,
            kind,
            default: None,
            presets: &[],
            aliases: &[],
        }
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    const fn presets(mut self, presets: &'static [(Preset, &'static str)]) -> Self {
        self.presets = presets;
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

const fn range(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

const DAY_SECONDS: u64 = 86_400;
const MEBIBYTE: u64 = 1_048_576;

/// Every key there is; none that nothing reads.
pub static KEYS: &[Key] = {
    const PARTS: [&[Key]; 11] = [
        GENERAL,
        jobs::KEYS,
        webhooks::KEYS,
        upstreams::KEYS,
        rate_limits::KEYS,
        rate_limits::OF_TEAM,
        rate_limits::OF_BUSINESS,
        admission::KEYS,
        billing::KEYS,
        answers::KEYS,
        pools::KEYS,
    ];
    const LENGTH: usize = {
        let (mut length, mut part) = (0, 0);
        while part < PARTS.len() {
            length += PARTS[part].len();
            part += 1;
        }
        length
    };
    static ALL: [Key; LENGTH] = joined(&PARTS);
    &ALL
};

/// One behind the other.
const fn joined<const N: usize>(parts: &[&[Key]]) -> [Key; N] {
    let mut all = [parts[0][0]; N];
    let (mut part, mut at, mut next) = (0, 0, 0);
    while next < N {
        if at == parts[part].len() {
            (part, at) = (part + 1, 0);
        } else {
            all[next] = parts[part][at];
            (at, next) = (at + 1, next + 1);
        }
    }
    all
}

const GENERAL: &[Key] = {
    use Preset::{CostOptimized, Development, HighPerformance};
    &[
        Key::new(
            "preset",
            Kind::Choice(&["development", "highPerformance", "costOptimized"]),
            "development",
            "which set of values stands in for the defaults",
        ),
        Key::new(
            "data_dir",
            Kind::Path,
            ".fairlead",
            "folder of the embedded database, the signing keys and generated secrets",
        ),
        Key::new(
            "roles",
            Kind::Roles,
            "api,worker,relay,scheduler",
            "what this process does, of all that is to be done; what it leaves out is for others, and waits where there \
             are none",
        ),
        // HTTP.
        Key::new(
            "http.host",
            Kind::Address,
            "127.0.0.1",
            "address to listen on; 0.0.0.0 for all",
        ),
        Key::new(
            "http.port",
            range(0, 65_535),
            "8080",
            "port to listen on; 0 takes a free one",
        ),
        Key::new(
            "http.workers",
            range(0, 1024),
            "0",
            "threads that serve requests; 0: one per core",
        )
        .presets(&[(Development, "2"), (CostOptimized, "1")]),
        Key::new(
            "http.request_timeout_ms",
            range(100, 600_000),
            "10000",
            "deadline of a request",
        )
        .unit("ms"),
        Key::new(
            "http.slow_request_ms",
            range(1, 600_000),
            "200",
            "requests that take longer are warned of in the log",
        )
        .unit("ms"),
        Key::new(
            "http.keep_alive_ms",
            range(1000, 600_000),
            "75000",
            "how long an idle connection is kept",
        )
        .unit("ms")
        .presets(&[(CostOptimized, "15000")]),
        Key::new(
            "http.client_timeout_ms",
            range(100, 60_000),
            "5000",
            "how long a client may take to send the head of a request",
        )
        .unit("ms"),
        Key::new(
            "http.unread_timeout_ms",
            range(1000, 3_600_000),
            "300000",
            "how long a client may take nothing of what it is sent",
        )
        .unit("ms"),
        Key::new(
            "http.drain_ms",
            range(0, 60_000),
            "1000",
            "how long a stop goes on answering on all connections, each of which ends with its next answer; then those that \
             ask nothing are closed",
        )
        .unit("ms")
        .presets(&[(Development, "0")]),
        Key::new(
            "http.shutdown_timeout_ms",
            range(1000, 600_000),
            "30000",
            "how long a stop waits for requests in flight",
        )
        .unit("ms")
        .presets(&[(Development, "5000")]),
        Key::new(
            "http.connections_per_address",
            range(0, 1_000_000),
            "20000",
            "connections that one address, or one /64 network of IPv6, may have to a process; trusted proxies may have any \
             number, and 0 lets everybody; a few hundred are enough where clients connect directly",
        )
        .unit("connections"),
        Key::new(
            "http.body_limit_bytes",
            range(1024, 64 * MEBIBYTE),
            "1048576",
            "largest request body",
        )
        .unit("bytes"),
        Key::new(
            "http.bulk_body_limit_bytes",
            range(1024, 512 * MEBIBYTE),
            "8388608",
            "largest body of a bulk request; imports stream and have no limit",
        )
        .unit("bytes")
        .presets(&[(CostOptimized, "4194304")]),
        Key::new(
            "http.header_limit_bytes",
            range(4096, 65_536),
            "16384",
            "largest head of a request: all headers together",
        )
        .unit("bytes"),
        Key::new(
            "http.query_limit_bytes",
            range(256, 32_768),
            "8192",
            "longest query string",
        )
        .unit("bytes"),
        Key::new(
            "http.json_depth",
            range(4, 128),
            "32",
            "deepest nesting of a JSON body",
        )
        .unit("levels"),
        Key::new(
            "http.compression.enabled",
            Kind::Bool,
            "true",
            "compress answers as clients accept it: gzip, br, zstd",
        ),
        Key::new(
            "http.compression.level",
            range(1, 9),
            "6",
            "how hard answers are compressed: 1 is the fastest, 9 the smallest; what is kept is compressed once",
        )
        .presets(&[(HighPerformance, "2")]),
        Key::new(
            "http.compression.threshold_bytes",
            range(0, MEBIBYTE),
            "1024",
            "shorter answers are sent as they are",
        )
        .unit("bytes"),
        Key::optional(
            "http.trusted_proxies",
            Kind::Networks,
            "addresses of proxies of your own: a client that comes through them is known by the last address in \
             http.forwarded_header that is none of theirs; not set: by the address that connects",
        ),
        Key::new(
            "http.forwarded_header",
            Kind::Choice(&["x-forwarded-for", "forwarded"]),
            "x-forwarded-for",
            "in which header trusted proxies say for whom they ask; the other one is not believed",
        ),
        Key::optional(
            "http.allowed_origins",
            Kind::Origins,
            "sites whose pages may call the API and open a WebSocket; the one that serves the API always may",
        ),
        Key::optional(
            "http.public_url",
            Kind::HttpUrl,
            "where clients reach this service, without a trailing slash; not set: the address listened on",
        ),
        Key::new(
            "http.hsts",
            Kind::Bool,
            "false",
            "send Strict-Transport-Security; only where every client comes by HTTPS",
        ),
        // Database.
        Key::optional(
            "database.url",
            Kind::PostgresUrl,
            "database as role fairlead_app; not set: an embedded PostgreSQL in data_dir",
        )
        .aliases(&["DATABASE_URL", "DATABASE_WRITE_URL"]),
        Key::optional(
            "database.system_url",
            Kind::PostgresUrl,
            "the same database as role fairlead_system; set with database.url",
        ),
        Key::optional(
            "database.owner_url",
            Kind::PostgresUrl,
            "the same database as role fairlead_owner, which migrates; set with database.url",
        ),
        Key::optional(
            "database.replicas",
            Kind::Replicas,
            "servers that follow the primary, as role fairlead_app; reads go there. DATABASE_READ_URL_1, _2 and so on \
             name one each, besides DATABASE_READ_URL",
        )
        .aliases(&["DATABASE_READ_URL"]),
        Key::new(
            "database.monitor.interval_ms",
            range(10, 10_000),
            "100",
            "how often each node is looked at: a replica that falls too far behind gets reads for so long, and for as long \
             as an answer may take; at most 10 s, because how fresh answers are rests on it",
        )
        .unit("ms"),
        Key::new(
            "database.monitor.timeout_ms",
            range(10, 10_000),
            "2000",
            "a node that takes longer to answer counts as gone; at most 10 s, because until then nobody knows how far it \
             has come, and how fresh answers are rests on that",
        )
        .unit("ms"),
        Key::new(
            "database.monitor.max_lag_ms",
            // Last writes are remembered for a minute: who reads later must not meet a replica without them.
            range(1, 30_000),
            "1000",
            "a replica that is further behind the primary gets no reads",
        )
        .unit("ms"),
        Key::new(
            "database.monitor.return_after_ms",
            range(0, 3_600_000),
            "5000",
            "how long a replica must have been well before it gets reads again",
        )
        .unit("ms"),
        Key::new(
            "database.pool.min",
            range(0, 1000),
            "2",
            "connections of role fairlead_app kept open",
        )
        .unit("connections")
        .presets(&[(Development, "1"), (HighPerformance, "20"), (CostOptimized, "0")])
        .aliases(&["DB_POOL_MIN"]),
        Key::new(
            "database.pool.max",
            range(1, 1000),
            "20",
            "connections of role fairlead_app at the most",
        )
        .unit("connections")
        .presets(&[
            (Development, "10"),
            (HighPerformance, "100"),
            (CostOptimized, "5"),
        ])
        .aliases(&["DB_POOL_MAX"]),
        Key::new(
            "database.pool.acquire_timeout_ms",
            range(10, 60_000),
            "3000",
            "how long a request waits for a connection to the primary, of either role",
        )
        .unit("ms"),
        Key::new(
            "database.pool.connect_timeout_ms",
            range(10, 600_000),
            "10000",
            "how long the start waits for a database that is not there yet",
        )
        .unit("ms"),
        Key::new(
            "database.pool.create_timeout_ms",
            range(10, 60_000),
            "2000",
            "how long opening a connection may take",
        )
        .unit("ms"),
        Key::new(
            "database.pool.idle_timeout_ms",
            range(1000, 86_400_000),
            "10000",
            "when an unused connection above the minimum is closed",
        )
        .unit("ms")
        .presets(&[(HighPerformance, "600000")]),
        Key::new(
            "database.pool.max_uses",
            range(1, 1_000_000_000),
            "5000",
            "after how many uses a connection is replaced",
        )
        .unit("uses"),
        Key::new(
            "database.pool.max_lifetime_ms",
            range(10_000, 86_400_000),
            "1800000",
            "when a connection is replaced by a new one",
        )
        .unit("ms"),
        Key::new(
            "database.read_pool.min",
            range(0, 1000),
            "2",
            "connections of role fairlead_app kept open to each replica",
        )
        .unit("connections")
        .presets(&[(Development, "1"), (HighPerformance, "20"), (CostOptimized, "0")]),
        Key::new(
            "database.read_pool.max",
            range(1, 1000),
            "20",
            "connections of role fairlead_app to each replica at the most",
        )
        .unit("connections")
        .presets(&[(Development, "10"), (HighPerformance, "100"), (CostOptimized, "5")]),
        Key::new(
            "database.read_pool.acquire_timeout_ms",
            range(10, 60_000),
            "3000",
            "how long a request waits for a connection to a replica",
        )
        .unit("ms"),
        Key::new(
            "database.read_pool.create_timeout_ms",
            range(10, 60_000),
            "2000",
            "how long opening a connection to a replica may take",
        )
        .unit("ms"),
        Key::new(
            "database.read_pool.idle_timeout_ms",
            range(1000, 86_400_000),
            "10000",
            "when an unused connection to a replica above the minimum is closed",
        )
        .unit("ms")
        .presets(&[(HighPerformance, "300000")]),
        Key::new(
            "database.read_pool.max_lifetime_ms",
            range(10_000, 86_400_000),
            "1800000",
            "when a connection to a replica is replaced by a new one",
        )
        .unit("ms"),
        Key::new(
            "database.read_pool.max_uses",
            range(1, 1_000_000_000),
            "5000",
            "after how many uses a connection to a replica is replaced",
        )
        .unit("uses"),
        Key::new(
            "database.system_pool.min",
            range(0, 1000),
            "1",
            "connections of role fairlead_system kept open",
        )
        .unit("connections")
        .presets(&[(HighPerformance, "5"), (CostOptimized, "0")]),
        Key::new(
            "database.system_pool.max",
            range(1, 1000),
            "10",
            "connections of role fairlead_system at the most",
        )
        .unit("connections")
        .presets(&[(Development, "5"), (HighPerformance, "30"), (CostOptimized, "3")]),
        Key::new(
            "database.statement_timeout_ms",
            range(100, 600_000),
            "10000",
            "how long one statement may take; the deadline of a request shortens it",
        )
        .unit("ms"),
        Key::new(
            "database.slow_query_ms",
            range(1, 600_000),
            "100",
            "statements that take longer are logged",
        )
        .unit("ms")
        .presets(&[(CostOptimized, "500")])
        .aliases(&["SLOW_QUERY_THRESHOLD"]),
        Key::optional(
            "database.migrate_on_start",
            Kind::Bool,
            "bring the schema up to date when `serve` starts; not set: only an embedded database",
        ),
        // Cache.
        Key::new(
            "cache.responses.enabled",
            Kind::Bool,
            "true",
            "keep the answers of reads; false: every read asks the database",
        ),
        Key::new(
            "cache.stale_seconds",
            range(0, DAY_SECONDS),
            "60",
            "how much longer an answer is served while it is loaded anew",
        )
        .unit("s"),
        Key::new(
            "cache.database_away_seconds",
            range(0, DAY_SECONDS),
            "3600",
            "how much longer an answer is served while the primary database is away",
        )
        .unit("s"),
        Key::new(
            "cache.memory.capacity_bytes",
            range(MEBIBYTE, 1024 * 1024 * MEBIBYTE),
            "67108864",
            "memory for answers in each process",
        )
        .unit("bytes")
        .presets(&[(HighPerformance, "268435456"), (CostOptimized, "16777216")]),
        Key::new(
            "cache.memory.tenant_bytes",
            range(0, 1024 * MEBIBYTE),
            "1048576",
            "memory of each tenant that no other tenant can push out",
        )
        .unit("bytes"),
        Key::new(
            "cache.memory.largest_bytes",
            range(1024, 64 * MEBIBYTE),
            "2097152",
            "larger answers are not kept in memory",
        )
        .unit("bytes"),
        Key::new(
            "cache.memory.eviction",
            Kind::Choice(&["frequency", "recency"]),
            "frequency",
            "which answers go first when memory is full: those asked for seldom, or not for the longest",
        ),
        Key::optional(
            "cache.redis.url",
            Kind::RedisUrl,
            "Redis that processes share answers through, and tell each other of changes; not set: each process keeps \
             its own answers, and sees within a second or two what others change",
        )
        .aliases(&["REDIS_URL"]),
        Key::optional(
            "cache.redis.ca_file",
            Kind::Path,
            "PEM file of the authorities that the certificate of Redis may be signed by, with rediss://; not set: those \
             that browsers trust",
        ),
        Key::new(
            "cache.redis.prefix",
            Kind::Text,
            "fl",
            "what all keys in Redis begin with, so that installations can share one",
        )
        .aliases(&["REDIS_KEY_PREFIX"]),
        Key::new(
            "cache.redis.connections",
            range(1, 256),
            "4",
            "connections to Redis; each carries many commands at once",
        )
        .unit("connections"),
        Key::new(
            "cache.redis.command_timeout_ms",
            range(1, 500),
            "50",
            "how long a command to Redis may take; at most half a second, because a change is told to other processes by \
             it, which show it within that time or find out that they have missed it",
        )
        .unit("ms"),
        Key::new(
            "cache.redis.unheard_ttl_ms",
            range(0, 300_000),
            "2000",
            "how long answers count as fresh while Redis is away, so that other processes' changes go unheard",
        )
        .unit("ms"),
        Key::new(
            "cache.redis.compression_level",
            range(1, 19),
            "3",
            "zstd level of answers in Redis, above 1 KB",
        ),
        Key::new(
            "cache.redis.encrypt",
            Kind::Bool,
            "false",
            "encrypt answers in Redis, with a key derived from security.secret",
        ),
        Key::optional(
            "cache.redis.encrypt_only",
            Kind::Text,
            "which kinds of answers cache.redis.encrypt means, by their names in cache.ttl_seconds: \
             `users_list,users_one,me`; not set: all",
        ),
        Key::new(
            "cache.warming.at_start",
            Kind::Bool,
            "true",
            "load what is usually asked when a process starts, behind the scenes, for the tenants that were active last",
        ),
        Key::new(
            "cache.warming.every_seconds",
            range(0, 30 * DAY_SECONDS),
            "0",
            "how often what is usually asked is loaded ahead of need, by one process at a time, for the tenants that have \
             asked it most; 0: on demand alone",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.leads_list",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: pages of leads; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.leads_one",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: single leads; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.leads_statistics",
            range(0, 30 * DAY_SECONDS),
            "600",
            "how long these answers are kept: counts of leads; their average ages are as old as the answer; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.leads_search",
            range(0, 30 * DAY_SECONDS),
            "180",
            "how long these answers are kept: searches; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.activities_list",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: pages of activities; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.activities_one",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: single activities; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.users_list",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: pages of users; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.users_one",
            range(0, 30 * DAY_SECONDS),
            "3600",
            "how long these answers are kept: profiles of users; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.agents_list",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: pages of agents; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.carriers_list",
            range(0, 30 * DAY_SECONDS),
            "600",
            "how long these answers are kept: pages of carriers; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.carriers_one",
            range(0, 30 * DAY_SECONDS),
            "600",
            "how long these answers are kept: single carriers; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.tenant",
            range(0, 30 * DAY_SECONDS),
            "3600",
            "how long these answers are kept: the profile of the tenant; 0: not at all",
        )
        .unit("s"),
        Key::new(
            "cache.ttl_seconds.me",
            range(0, 30 * DAY_SECONDS),
            "300",
            "how long these answers are kept: who the caller is, and what it may do; 0: not at all",
        )
        .unit("s"),
        // Events.
        Key::new(
            "events.retention_days",
            range(0, 3660),
            "0",
            "months of events that are older by so many days are dropped, once nobody needs them any more; 0: never",
        )
        .unit("days"),
        Key::optional(
            "events.archive_dir",
            Kind::Path,
            "directory that a month of events is written to before it is dropped, the same for all workers; not set: it is \
             dropped as it is",
        ),
        Key::new(
            "events.stream.max",
            range(1, 1_000_000),
            "10000",
            "how many clients may follow events in this process at once",
        ),
        Key::new(
            "events.stream.max_per_tenant",
            range(1, 1_000_000),
            "1000",
            "how many of them may be of one tenant",
        ),
        Key::new(
            "events.stream.ping_ms",
            range(1_000, 600_000),
            "25000",
            "how often the client of a WebSocket is asked whether it is there, give or take 3 s",
        )
        .unit("ms"),
        Key::new(
            "events.stream.silence_ms",
            range(2_000, 3_600_000),
            "60000",
            "how long the client of a WebSocket may leave that unanswered; then it is sent away",
        )
        .unit("ms"),
        Key::optional(
            "events.amqp.url",
            Kind::AmqpUrl,
            "RabbitMQ that events are published to, and that spreads their handling over all processes; not set: one \
             process handles them, from their log",
        )
        .aliases(&["RABBITMQ_URL"]),
        Key::optional(
            "events.amqp.ca_file",
            Kind::Path,
            "PEM file of authorities that the certificate of RabbitMQ may be signed by, with amqps://, besides those that \
             browsers trust",
        ),
        Key::new(
            "events.amqp.prefix",
            Kind::Text,
            "fairlead",
            "what all exchanges and queues begin with, so that installations can share a virtual host",
        ),
        Key::new(
            "events.amqp.first_retry_ms",
            range(10, 60_000),
            "1000",
            "after how long an event that could not be handled comes again; each time four times as long, five times",
        )
        .unit("ms"),
        Key::new(
            "events.amqp.catch_up_seconds",
            range(1, 3600),
            "30",
            "events that are older and were not handled are handled from their log: RabbitMQ is away, or has lost them",
        )
        .unit("s"),
        Key::new(
            "events.amqp.dead_letters",
            range(1, 1_000_000),
            "10000",
            "how many dead letters RabbitMQ keeps; beyond these the oldest are dropped, and their events stay in the log",
        ),
        // Identity.
        Key::new(
            "auth.issuer",
            Kind::Text,
            "fairlead",
            "who signs access tokens (`iss`)",
        ),
        Key::new(
            "auth.audience",
            Kind::Text,
            "fairlead-api",
            "whom access tokens are for (`aud`)",
        ),
        Key::new(
            "auth.access_ttl_seconds",
            range(30, LONGEST_ACCESS_TOKEN.whole_seconds().unsigned_abs()),
            "900",
            "lifetime of an access token",
        )
        .unit("s"),
        Key::new(
            "auth.refresh_ttl_seconds",
            range(300, 400 * DAY_SECONDS),
            "2592000",
            "lifetime of a session from its login",
        )
        .unit("s"),
        Key::new(
            "auth.refresh_leeway_seconds",
            range(0, 60),
            "10",
            "how long a refresh token that was traded can be traded again, as two tabs of a browser do at once; one \
             that comes later ends its session; 0: every one does",
        )
        .unit("s"),
        Key::new(
            "auth.invitation_ttl_seconds",
            range(300, 90 * DAY_SECONDS),
            "604800",
            "how long an invitation can be accepted",
        )
        .unit("s"),
        Key::optional(
            "auth.keys_dir",
            Kind::Path,
            "folder of the keys that sign access tokens; not set: `keys` in data_dir",
        ),
        Key::new(
            "auth.hash_concurrency",
            range(0, 256),
            "0",
            "passwords hashed at a time, each with 19 MiB; 0: one per core",
        )
        .presets(&[(CostOptimized, "1")]),
        Key::new(
            "auth.lockout.account_failures",
            range(1, 1000),
            "5",
            "failed logins that lock an e-mail address out",
        ),
        Key::new(
            "auth.lockout.account_lockout_seconds",
            range(1, DAY_SECONDS),
            "60",
            "how long an e-mail address stays locked out",
        )
        .unit("s"),
        Key::new(
            "auth.lockout.address_failures",
            range(1, 100_000),
            "50",
            "failed logins that lock a network address out",
        ),
        Key::new(
            "auth.lockout.address_lockout_seconds",
            range(1, DAY_SECONDS),
            "300",
            "how long a network address stays locked out",
        )
        .unit("s"),
        Key::new(
            "auth.lockout.window_seconds",
            range(1, DAY_SECONDS),
            "600",
            "failed logins older than this are forgotten",
        )
        .unit("s"),
        // Secrets.
        Key::optional(
            "security.secret",
            Kind::Secret { min_bytes: 32 },
            "key of cursors and keyed hashes, the same in every process; not set: generated into data_dir, with \
             the embedded database alone",
        ),
        // Logs.
        Key::new(
            "log.filter",
            Kind::LogFilter,
            "info,actix_server=warn,sea_orm_migration=warn,sqlx=warn,tokio_postgres=warn,actix_http::h1=off",
            "what is logged: a level, or directives such as info,fairlead_postgres=debug. A value of your own \
             replaces the default whole: add tokio_postgres=warn to leave out the warnings of the database \
             when a connection is put in order, and actix_http::h1=off to leave out the errors that any client \
             provokes with a malformed request",
        )
        .presets(&[(
            CostOptimized,
            "warn,fairlead=info,tokio_postgres=warn,actix_http::h1=off",
        )])
        .aliases(&["LOG_LEVEL"]),
        Key::new(
            "log.format",
            Kind::Choice(&["auto", "pretty", "json"]),
            "auto",
            "how log lines are written; auto: pretty on a terminal, otherwise JSON",
        )
        .presets(&[(HighPerformance, "json"), (CostOptimized, "json")]),
        // Metrics.
        Key::new(
            "metrics.enabled",
            Kind::Bool,
            "true",
            "serve GET /metrics for Prometheus, on a port of its own",
        ),
        Key::new(
            "metrics.host",
            Kind::Address,
            "127.0.0.1",
            "address that metrics are served at; whoever reaches it may read them, so keep it inside your network",
        ),
        Key::new(
            "metrics.port",
            range(0, 65_535),
            "9464",
            "port that metrics are served at; 0 takes a free one",
        ),
        Key::new(
            "metrics.tenants",
            range(0, 100),
            "20",
            "how many tenants have series of their own, those that ask most; all others are one, `other`",
        )
        .unit("tenants"),
        // What is traced.
        Key::optional(
            "tracing.otlp_url",
            Kind::HttpUrl,
            "a collector of traces that is told of spans, by OTLP over HTTP at /v1/traces; not set: nobody is",
        )
        .aliases(&["OTEL_EXPORTER_OTLP_ENDPOINT"]),
        Key::new(
            "tracing.percent",
            range(0, 100),
            "10",
            "how many of a hundred traces that begin here are told; those that clients want sampled are anyway",
        )
        .unit("%"),
        Key::new(
            "tracing.queue",
            range(1, 1_000_000),
            "8192",
            "how many spans wait for the collector at the most; more are lost, and counted",
        )
        .unit("spans"),
        // What is measured.
        Key::new(
            "performance.recording",
            Kind::Bool,
            "true",
            "whether requests and statements are measured, kept where they are slow, and written down; false shows what that \
             costs, and leaves operators, alerts and metrics without it; what tenants take is counted all the same",
        ),
        Key::new(
            "performance.interval_ms",
            range(1_000, 3_600_000),
            "60000",
            "how often a process writes down what it has measured, for operators to look back at",
        )
        .unit("ms")
        .aliases(&["METRICS_INTERVAL"]),
        Key::new(
            "performance.web_vitals_percent",
            range(0, 100),
            "100",
            "how many of a hundred messages in which browsers tell how page views were are taken note of; 0: none",
        )
        .unit("%"),
        Key::new(
            "performance.acts.watch_ms",
            range(0, 3_600_000),
            "300000",
            "for how long statements are measured with an index that operators have had built, before it is kept or dropped",
        )
        .unit("ms"),
        Key::new(
            "performance.memory.limit_mib",
            range(16, 1_048_576),
            "2048",
            "memory that the process may have; a lower limit of the container or the machine holds as well",
        )
        .unit("MiB")
        .aliases(&["MEMORY_LIMIT"]),
        Key::new(
            "performance.memory.check_ms",
            range(100, 3_600_000),
            "5000",
            "how often the process looks how much of its memory it has",
        )
        .unit("ms")
        .aliases(&["GC_INTERVAL"]),
        Key::new(
            "performance.memory.relieve",
            Kind::Bool,
            "false",
            "from 85 % of its memory on the process drops answers that it keeps, from 90 % on it closes connections that nobody \
             uses, from 95 % on all that it can; false: it only says so",
        ),
        Key::optional(
            "performance.alerts.webhook_url",
            Kind::HttpUrl,
            "where alerts are posted to, beside the log: a receiver of the operators; not set: nowhere",
        ),
        Key::optional(
            "performance.alerts.webhook_secret",
            Kind::Secret { min_bytes: 32 },
            "what is posted there is signed with: whsec_ and the base64 of 24 to 64 random bytes",
        ),
        Key::optional(
            "performance.alerts.webhook_networks",
            Kind::Networks,
            "private addresses that this receiver may have; it may have public ones anyway",
        ),
    ]
};
