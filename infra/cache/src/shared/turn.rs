use std::time::Duration;

use super::{Shared, millis};

impl Shared {
    /// Takes the turn to do what one process does at a time; `false` when somebody has it, or nobody can tell.
    pub(crate) async fn take_turn(&self, what: &str, lasts: Duration) -> bool {
        if !self.is_trusted() {
            return false;
        }
        let mut take = redis::cmd("SET");
        take.arg(self.names.turn(what))
            .arg(self.node)
            .arg("NX")
            .arg("PX")
            .arg(millis(lasts));
        let taken = self
            .run(|mut connection| async move { take.query_async::<Option<String>>(&mut connection).await })
            .await;
        taken.flatten().is_some()
    }
}
