//! The schema: SQL files in `sql/`, applied in the order of their names and only ever forwards.
//!
//! [`bootstrap_sql`] makes the roles, once per cluster and as a superuser. Everything else is done by the owner of the
//! database through [`migrate`], which any number of processes may call at once.

mod begin_anew;
mod bootstrap;
mod migrate;
mod step;

pub use begin_anew::{Forgotten, IfAhead, begin_events_anew};
pub use bootstrap::{BootstrapPasswords, bootstrap_sql};
pub use migrate::{MigrateError, Progress, migrate, status};
pub use step::digest;
