//! Activities: what was done about a lead, and what happened to it.
//!
//! People write notes, calls, e-mails, meetings and tasks. Status changes, assignments and scores are written by the
//! platform, in the transaction of the change, and cannot be changed afterwards.

mod change;
mod log;
mod model;
mod port;
mod snapshot;
mod summary;

pub use change::{ActivityPatch, ChangeActivityError, RawActivityPatch, delete, update};
pub use log::{ActivityDraft, LogActivityError, RawActivity, log};
pub use model::{Activity, ActivityId, ActivityKind};
pub use port::{Activities, ActivityFilter};
pub use snapshot::ActivitySnapshot;
pub use summary::{ActivitySummarizer, ActivitySummary};
