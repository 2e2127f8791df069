//! RabbitMQ behind the broker port of the domain.
//!
//! One link, supervised here (`link`): it connects, declares the topology (`topology`), publishes with confirms
//! (`publish`), consumes (`queue`), and keeps the dead letters from growing for ever (`dead`); when anything of that
//! breaks, all of it is begun anew. What was under way counts as lost, and is published, or delivered, again.

mod connect;
mod dead;
mod link;
mod message;
mod probe;
mod publish;
mod queue;
mod settings;
mod shard;
mod topology;

pub use connect::ConnectError;
pub use link::RabbitMq;
pub use probe::{Found, ProbeError, probe};
pub use settings::{BadSettings, RabbitMqSettings};
