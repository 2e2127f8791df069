//! The cache against a real Redis, which each test has to itself: it is killed, frozen, emptied and slowed.

mod control;
mod faults;
mod lost;
mod nodes;
mod proxy;
mod server;
mod sharing;
mod warming;

pub(crate) use proxy::RedisProxy;
pub(crate) use server::RedisServer;
