//! Demo data: a tenant with its team, its carriers and as many leads as wanted, believable and the same every time.
//!
//! [`Demo`] makes leads and activities out of the tenant's slug and an index, without doing I/O; [`fill`] writes them
//! through the same ports as everything else, in batches, each with its events and audit rows. A second run finds what
//! is there and adds what is missing.

mod fill;
mod found;
mod history;
mod lead;
mod people;
mod places;
mod progress;
mod random;
mod team;
#[cfg(test)]
mod tests;
mod words;

pub use fill::{DemoError, DemoOrder, DemoPorts, Filled, fill};
pub use lead::{Demo, DemoAgent};
pub use progress::Progress;
