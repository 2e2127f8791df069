//! Leads: people and companies that may become customers, followed from first contact to a closed deal.
//!
//! A lead moves `NEW → CONTACTED → QUALIFIED → CLOSED` and may be reopened to `CONTACTED`. Each status change,
//! assignment and score is also written as an activity, in the same transaction. An agent holds at most as many open
//! leads as its profile says, however many requests assign at once.

mod agent;
mod assign;
mod bulk;
mod counters;
mod create;
mod custom_fields;
mod delete;
mod draft;
mod duplicates;
pub mod export;
pub mod import;
mod model;
mod patch;
mod port;
mod score;
pub mod scoring;
mod search;
mod snapshot;
mod status;
mod update;

pub use assign::{AssignError, AssignLead, Assignee, assign};
pub use bulk::{BulkError, BulkOutcome, BulkUpdate, MAX_BULK, RejectedRow, create_many, update_many};
pub use counters::{CounterDrift, LeadCounters, LoadDrift, repair_counters, repair_loads};
pub use create::{CreateLeadError, create};
pub use custom_fields::CustomFields;
pub use delete::{DeleteLeadError, delete};
pub use draft::{LeadDraft, RawLead};
pub use duplicates::Duplicates;
pub use model::*;
pub use patch::{LeadPatch, RawLeadPatch};
pub use port::*;
pub use score::{Judged, ScoredLead, Scoring, begin_score};
pub use search::{InvalidSearch, SearchText};
pub use snapshot::LeadSnapshot;
pub use status::{CloseReason, InvalidTransition, Status, StatusName};
pub use update::{UpdateLeadError, update};
