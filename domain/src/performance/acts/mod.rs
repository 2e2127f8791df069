//! What is done to have the database fast: asked for, done by one process at a time, measured before and after, and taken
//! back where it does not pay.
//!
//! An act is a row of the ledger and a job ([`ask`]). Whoever has the job does it by the [`Maintainer`], notes how far it has
//! come, and says in the end what came of it. So the ledger has all that was ever tried, with the figures by which it was
//! kept or taken back.

mod act;
mod archive;
mod ask;
mod judge;
mod port;
mod relief;

pub use act::{Act, ActId, ActState, Deed, Figures, NewIndex, Progress, StatementText, WhichActs};
pub use archive::{ArchiveStrategy, EventMonths, MonthOutcome, OldMonth};
pub use ask::{ActError, ActJob, Asked, ask, cancel, fail, note};
pub use judge::{Compared, Means, Verdict, Watched, Weighed, judge};
pub use port::{
    Acts, BuiltIndex, Maintainer, Maintaining, MaintenanceError, MaintenanceProgress, MaintenanceSession,
};
pub use relief::Relief;

#[cfg(test)]
mod tests;
