//! Whether there are jobs of a kind at all.

use fairlead_domain::jobs::{JobState, Queue, Which};
use fairlead_domain::store::StoreError;

use crate::state::JobServices;

/// Says what is wrong with a kind that is nobody's: an operator who has misspelt one would believe that something was done
/// about it. One that is done elsewhere, or was once, has left jobs, and is none of these.
pub(super) async fn fault_of_kind(
    jobs: &JobServices,
    queue: Queue,
    kind: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let Some(kind) = kind.filter(|kind| !jobs.kinds.contains(kind)) else {
        return Ok(None);
    };
    for state in [None, Some(JobState::Dead), Some(JobState::Delayed)] {
        let which = Which {
            kind: Some(kind.to_owned()),
            ..Which::default()
        };
        let found = jobs.operations.list(queue, state, &which, None, 1).await?;
        // Where not all are looked at, there may be some further on.
        if !found.jobs.is_empty() || found.looked_to.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(format!("must be one of {}", jobs.kinds.join(", "))))
}
