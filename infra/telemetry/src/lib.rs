//! What the process says about itself: log lines, figures, the identity and the cost of each request, its
//! own resources.
//!
//! Every crate that does I/O may depend on this one, so it knows no technology but `tracing` and what its spans are told by.

pub mod logging;
pub mod metrics;
pub mod process;
pub mod request;
pub mod spans;
mod supervised;
mod task;
mod thread;

pub use supervised::{background_panics, spawn_supervised};
pub use task::{spawn, spawn_blocking};
pub use thread::turn_of_this_thread;
