//! The cache against a real Redis, which each test has to itself: it is killed, frozen, emptied and slowed.

mod ages;
mod control;
mod cut_off;
mod doubt;
mod faults;
mod frozen;
mod lost;
mod nodes;
mod owed;
mod proxy;
mod server;
mod sharing;
mod timeline;
mod warming;

pub(crate) use proxy::RedisProxy;
pub(crate) use server::RedisServer;
