//! The configuration: one typed struct, read and checked once at start.
//!
//! Four layers, each over the one before: the default of each key, the values of a preset, a TOML file, the
//! environment; command line flags come last. [`KEYS`] is the one table of what there is; a key that is not in it,
//! and a value that its key does not allow, stop the start with the key, where the value came from and what is
//! allowed instead.

mod error;
mod explain;
mod keys;
mod kind;
mod layers;
mod load;
mod replicas;
mod roles;
mod secret;
mod settings;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, Fault};
pub use explain::{Explanation, explain};
pub use keys::{KEYS, Key, Preset};
pub use kind::Kind;
pub use load::{Input, Loaded, load};
pub use replicas::ReplicaConfig;
pub use roles::{Role, Roles};
pub use secret::Secret;
pub use settings::{
    AdmissionConfig, AdmissionErrorsConfig, AiConfig, AiProvider, AmqpConfig, AuthConfig, BreakerConfig,
    CacheConfig, CacheEviction, CacheMemoryConfig, CacheWarmingConfig, CompressionConfig, Config,
    DatabaseConfig, DatabaseUrls, EventsConfig, ForwardedHeader, HttpConfig, JobsConfig, LockoutConfig,
    LogConfig, LogFormat, MemoryConfig, MetricsConfig, MonitorConfig, PoolConfig, QueueConfig,
    RateLimitsConfig, RatesConfig, ReadPoolConfig, RedisConfig, ResponseCacheConfig, SecurityConfig,
    SystemPoolConfig, UpstreamsConfig, WebhooksConfig,
};
