use std::fmt::Debug;
use std::time::Instant;

use super::Stretch;

/// Sees all events of all tenants, whichever process has committed them.
pub trait EventObserver: Debug + Send + Sync {
    /// Is given the events in the order of the log, each once, some time after its commit: usually within a second, and
    /// no sooner than all transactions have ended that were under way then.
    ///
    /// Called every so often, also when there are none.
    fn observe(&self, stretch: &Stretch);

    /// Is told instead, every so often, that there was nothing behind the last stretch until a moment.
    fn observe_nothing(&self, until: Instant);

    /// Is told instead of the events up to the stretch that comes next: another server has taken over, and which of them
    /// were given already nobody can say, as it gives the numbers of transactions anew that it had not come to.
    fn observe_anew(&self);
}
