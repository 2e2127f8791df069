//! Services that this installation calls, with servers of this machine in their place.

pub(crate) mod bench;
mod doctor;
mod faults;
mod operators;
mod score;
mod score_many;
mod sharing;
mod summary;
