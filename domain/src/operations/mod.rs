//! Long work, as those see it who have asked for it: how far it has come, what has come of it, and a way to stop it.
//!
//! An operation is done by jobs, one after the other. What it is to work off is kept as parts; the unit of work that has
//! done a part takes it away and moves the progress with it. So whoever goes on after a crash begins where the last one
//! stood, and no part is done twice, not even by two at once.

mod cancel;
mod model;
mod permit;
mod port;
mod room;
pub mod snapshot;

pub use cancel::{CancelOperationError, cancel};
pub use model::{
    InvalidTransition, LogLine, MAX_FAULTS, MAX_INPUT_BYTES, MAX_OPEN_OPERATIONS, NewOperation, Operation,
    OperationId, OperationKind, OperationRecord, OperationState, OperationStory, Pace, RowFault, Tally,
};
pub use permit::OperationsPermit;
pub use port::Operations;
pub use room::{NoRoom, make_sure_of_place, make_sure_of_room};
