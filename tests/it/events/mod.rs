//! The log of events: read in the order of cause, delivered to all who follow it, lost by nobody.

mod alarm;
mod anew;
mod archive;
mod archive_races;
mod aside;
mod beside;
mod bounded;
mod broker;
mod catching_up;
mod consumers;
mod cutter;
mod ended_elsewhere;
mod far_behind;
mod faults;
mod log;
mod memory;
pub(crate) mod relays;
pub(crate) mod retention;
mod socket;
pub(crate) mod socket_client;
mod socket_ends;
mod stream;
pub(crate) mod stream_ends;
pub(crate) mod stream_reader;
mod subscriber;
mod supervised;
