//! The log of events: read in commit order, delivered to all who follow it, lost by nobody.

mod consumers;
mod log;
mod retention;
