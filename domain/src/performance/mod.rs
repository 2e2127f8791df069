//! What the performance of this installation is judged by.
//!
//! Everything here is arithmetic on figures that somebody else has read: it does no I/O, takes the time as an argument, and
//! says the same of the same figures. What was not measured is said to be missing, and is never taken for good.

pub mod acts;
pub mod alerts;
pub mod bottlenecks;
pub mod catalog;
pub mod forecast;
pub mod health;
pub mod index_advice;
mod ledger;
pub mod maintenance;
#[cfg(test)]
mod noise;
pub mod noisy;
pub mod plans;
mod sample;
mod sketch;
mod statement;
mod statistics;
pub mod trends;
pub mod vitals;
pub mod what_if;

pub use ledger::{Taken, TenantLedger, TenantTaken};
pub use sample::{Figures, Grain, Level, RouteSeries, Sample, Samples, Series, SeriesKind, thin};
pub use sketch::{InvalidSketch, LatencySketch};
pub use statement::{Fingerprint, STATEMENT_BOUNDS_MS, StatementCost, StatementMeters, StatementReport};
