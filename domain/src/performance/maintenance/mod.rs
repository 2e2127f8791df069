//! Which tables are to be vacuumed or analysed, and why.
//!
//! PostgreSQL does so by itself (its manual, 24.1), by a share of a table's rows. That share is large where tables are, so
//! statements suffer before it is reached. Here a table is due somewhat earlier, and only a few at a time are; whoever acts
//! on it asks for a quiet moment.

mod due;

pub use due::{Due, Maintenance, Need, TableState, due};

#[cfg(test)]
mod tests;
