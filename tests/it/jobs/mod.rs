//! Jobs: enqueued with what they follow from, claimed in turns, done once, whatever fails in between.

mod bench;
mod claims;
mod cut_off;
mod enqueue;
mod kinds;
mod lists;
mod maintenance;
mod operators;
mod processes;
mod schedules;
mod warming;
mod worker;
