//! Private services for one owner: a PostgreSQL primary, a streaming replica, Redis and RabbitMQ.
//!
//! The embedded database of a first run and the services of a test run are the same thing: processes started
//! from installed binaries, on free ports of 127.0.0.1, in a folder of their own, as an unprivileged user even
//! when root asks. A [`Stack`] owns them; when it stops, is dropped or its process is killed, they stop too.
//! Nothing here touches a system instance.
//!
//! Linux only: processes are told apart by `/proc`.

mod account;
mod address;
mod binaries;
mod epmd;
mod error;
mod folder;
mod instance;
mod lock;
mod password;
mod port;
mod postgres;
mod process;
mod program;
mod rabbitmq;
mod redis;
mod replica;
mod root;
mod service;
mod stack;
mod state;
mod sweep;
mod wait;

pub mod control;

pub use address::Postgres;
pub use binaries::{PostgresBinaries, rabbitmq_server, redis_server};
pub use error::StackError;
pub use folder::write_private;
pub use password::Password;
pub use process::{ProcessId, Signal};
pub use root::{Root, erase};
pub use service::{Endpoint, Service};
pub use stack::{Durability, Stack, StackOptions, running_postgres};
pub use wait::wait_until;
