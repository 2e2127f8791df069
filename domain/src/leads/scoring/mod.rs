//! Many leads are scored, one after the other, in the background.
//!
//! Each is scored as [`begin_score`](super::begin_score) does, and its score becomes durable together with the progress: so
//! whoever goes on after a crash asks for none that is done. Where there is a model, what it does not say nobody says in its
//! place: while its provider is away the run waits, where the tenant's budget is spent it ends, and a lead of which it says
//! nothing that can be read keeps its score. Without a model rules score them all.

mod begin;
mod request;
#[cfg(test)]
mod tests;
mod work;

pub use begin::{BeginScoringError, ScoringJob, begin};
pub use request::{BadScoringRequest, ScoringRequest};
pub use work::{Asked, MAX_WAITS, Next, Run, prepare, resume, write};

/// How many leads are scored by one run at the most.
pub const MAX_LEADS: usize = 5_000;
