//! A connection to a server, in the terms of PostgreSQL's protocol.
//! <https://www.postgresql.org/docs/15/protocol-flow.html>
//!
//! tokio-postgres opens it, with TLS and authentication, and would then move its bytes by a task, answer each message
//! for itself, and have the server answer and flush each for itself. Here whoever uses a connection has it alone, so
//! it is spoken to directly: any number of statements, one Sync behind them, one answer to wait for. Most of what a
//! small read costs, here and in the server, is in that difference.

mod conversation;
mod dial;
mod error;
mod handshake;
mod messages;
mod row;

pub(crate) use conversation::{Conversation, Done, Outcome, Reply};
pub use error::{Error, ServerError};
pub(crate) use handshake::Handshake;
pub(crate) use row::{Columns, Row};
