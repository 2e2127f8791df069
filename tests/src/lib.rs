//! What the tests stand on: an own database each, an own server each, and callers with names.
//!
//! Everything runs against real services, started once per run by `cargo xtask test`, and through the front door:
//! HTTP. The database a test gets is a copy of a template that is migrated once per run; it is dropped when the test
//! passes, and kept and named when it fails.

mod app;
mod client;
mod clock;
pub mod collector;
pub mod database;
mod effect;
mod folder;
pub mod kit;
mod long;
pub mod pair;
pub mod process;
pub mod provider;
pub mod proxy;
mod receiver;
pub mod service;
mod store;
pub mod stripe;
mod tenant;
pub mod tls;
mod wait;

pub use app::TestApp;
pub use client::{Client, Response};
pub use clock::TestClock;
pub use database::TestDatabase;
pub use effect::Effect;
pub use folder::TempFolder;
pub use long::{is_long, repetitions, soak};
pub use receiver::{Received, Receiver, Reply};
pub use store::{connect_store, store_config, store_parts};
pub use tenant::{PASSWORD, TestTenant};
pub use wait::wait_until;
