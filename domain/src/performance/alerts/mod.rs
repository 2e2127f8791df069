//! When somebody is to be told that something is wrong, and when that it is well again.
//!
//! A [`Rule`] has thresholds and an [`Objective`] an error budget; each says of a reading how bad it is. What follows from
//! that is the same for both: a [`Watch`] is stepped with the time and a reading, and says what is to be told. It opens an
//! [`Incident`] once it was bad for long enough, escalates it at most once, resolves it once it was well for long enough,
//! and tells each of these once: one incident, one notice. A watch can be written down and read again between two steps,
//! so it is the same whichever process steps it.

mod burn;
mod incident;
mod rule;
mod rules;
mod silence;
mod watch;

pub use burn::{BurnAlert, Burning, Objective, Requests};
pub use incident::{Escalation, Incident, Notice, Severity, Told};
pub use rule::{Bad, Metric, Reading, Rule, Timing, Verdict, WrongRule};
pub use rules::{default_objectives, default_rules};
pub use silence::{Silence, WrongSilence};
pub use watch::Watch;

#[cfg(test)]
mod tests;
