//! PostgreSQL behind the ports of the domain.
//!
//! Two stores, two database roles, two pools: [`PgStore`] opens units of work in one tenant, under row-level security;
//! [`PgSystemStore`] opens those that are rightly cross-tenant. All SQL leaves through `connection`, which knows what
//! each statement cost. `PgUnitOfWork` is every tenant port at once; each port has its file.

mod activities;
mod ai_calls;
mod api_keys;
mod assignments;
mod billing;
mod carriers;
mod commit;
pub mod conditions;
mod config;
mod connection;
mod entity;
mod error;
mod events;
pub mod health;
mod idempotency;
mod jobs;
mod lead_subscriptions;
mod leads;
mod maintainer;
mod nodes;
mod operations;
mod paging;
mod plans;
mod pool;
mod record;
mod revoked;
mod rows;
pub mod safety;
mod sessions;
mod statement;
mod store;
mod system;
mod tenants;
mod usage_by_day;
mod users;
mod web_vitals;
mod webhooks;
mod wire;

pub use config::{MonitorConfig, PgConfig, PoolConfig, ReplicaConfig};
pub use connection::{MOST_TOGETHER, abreast};
pub use events::PgEventMonths;
pub use maintainer::PgMaintainer;
pub use nodes::{Cluster, LastWrites, NodeDown, Standing};
pub use plans::PgQueryPlans;
pub use pool::{BadUrl, ConnectError, NoConnection, PoolExhausted, PoolName, ServerFull, Spare};
pub use revoked::MemoryRevokedSessions;
pub use store::{PgStore, StoreParts};
pub use system::{Chore, PgSystemStore, Retention};
pub use wire::{Error as WireError, ServerError};
