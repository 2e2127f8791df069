//! Webhooks: events are posted to them, signed, until they are taken; and nowhere they must not be.

pub(crate) mod bench;
mod care;
mod crowded;
mod deliver;
mod guard;
mod manage;
mod order;
mod processes;
mod replay;
mod retries;
mod secrets;
