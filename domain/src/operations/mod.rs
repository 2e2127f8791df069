//! Long work, as those see it who have asked for it: how far it has come, what has come of it, and a way to stop it.
//!
//! An operation is done by jobs, one after the other. What it is to work off is kept as parts; the unit of work that has
//! done a part takes it away and moves the progress with it. What it writes is parts too, and each says where the next
//! one begins. So whoever goes on after a crash begins where the last one stood, and no part is done twice, not even by
//! two at once.

mod cancel;
mod model;
mod permit;
mod port;
mod result;
mod room;
pub mod snapshot;
mod work;

pub use cancel::{CancelOperationError, cancel};
pub use model::{
    InvalidTransition, LogLine, MAX_FAULTS, MAX_KEPT_BYTES, MAX_OPEN_OPERATIONS, NewOperation, Operation,
    OperationId, OperationKind, OperationRecord, OperationState, OperationStory, Pace, RESULT_FOR, RETRY_FOR,
    RowFault, Tally,
};
pub use permit::OperationsPermit;
pub use port::{OperationOutputs, Operations, OutputEnd, OutputPart, OutputSize};
pub use result::{FindResultError, ResultFile, drop_result, find_result};
pub use room::{NoRoom, make_sure_of_place, make_sure_of_room};
pub(crate) use work::{Course, course};
pub use work::{Step, StepError, TakenUp, Turn, give_up, hand_on, operation_of, queue, take_up};
