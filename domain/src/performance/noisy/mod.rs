//! A tenant whose load slows others down.
//!
//! Who uses much is not a noisy neighbour yet: somebody has to be. It is one who uses far more than its share of what all
//! share, more than it did before, while others became slower without asking for more. All of that is compared with a
//! period before, so what was always so is not found.

mod model;
mod neighbour;

pub use model::{NoisyNeighbour, RouteUse, TenantUse, Usage, Victim};
pub use neighbour::{Bounds, noisy_neighbours};

#[cfg(test)]
mod tests;
