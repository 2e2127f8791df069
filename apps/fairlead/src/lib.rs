//! The program: its configuration, its command line, and the wiring of all parts.
//!
//! The one crate that sees both the ports and the adapters behind them. It is a library so that tests can wire a
//! server in their own process: [`start_with`] takes a [`config::Config`] and, from a test, a clock and ids.

mod archive;
pub mod cli;
pub mod config;
mod database;
pub mod demo;
mod derived_key;
pub mod doctor;
mod nearest;
mod output;
mod remote;
mod secret_file;
mod stores;
mod system;
mod tls;
mod wiring;

pub use archive::FileArchive;
pub use database::{Database, Progress};
pub use system::{SystemClock, SystemIds};
pub use wiring::{Parts, Running, start, start_with};
