//! Which indexes would pay, and which do not.
//!
//! Statements that were measured are known by their [`Shape`]: what they compare, sort by and return. From each shape come
//! candidates, and from pairs of shapes those that serve both. A cost model says how many rows each statement would touch
//! with each; what a statement would save is that part of the time that it was measured to take. Indexes are then chosen one
//! by one, each by what it saves beyond those that are there or chosen before, less what it costs to keep (the greedy
//! selection of Chaudhuri and Narasayya, *An Efficient, Cost-Driven Index Selection Tool*, VLDB 1997). Of two that pay much
//! the same the smaller one is taken.
//!
//! The model ranks; it does not promise. What it advises is to be verified by the planner, and measured once it is there.

mod advise;
mod candidates;
mod cost;
mod existing;
mod index;
mod migration;
mod shape;
mod verification;

pub use advise::{IndexAdvice, Risk, Served, Workload, advise};
pub use existing::{ExistingIndex, IndexFinding, findings};
pub use index::{Index, Method};
pub use migration::{Migration, migration};
pub use shape::{Column, Fixed, Key, Search, Shape, Sorted, Table, Term};
pub use verification::{Costs, Verification};

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
