//! What people say is to be done: by whom, by a model or by rules, and what is asked about before.

mod audio;
mod bench;
mod commands;
mod confirm;
mod faults;
mod model;
