//! What processes tell each other by the channel of events: that there are new ones, or which connection is to end.

use std::fmt;
use std::sync::OnceLock;

use async_trait::async_trait;
use fairlead_domain::events::OtherProcesses;
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::system::PgSystemStore;

pub(super) const TELL: &str = "SELECT pg_notify('fairlead_events', $1)";
const END: &str = "end ";

/// This process among the others.
pub(crate) struct ThisProcess {
    /// Tells it from others.
    name: String,
    end_connection: OnceLock<EndConnection>,
}

type EndConnection = Box<dyn Fn(Uuid) + Send + Sync>;

impl ThisProcess {
    pub(crate) fn new(id: Uuid) -> Self {
        Self {
            name: id.to_string(),
            end_connection: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Does what others ask for. Returns whether they have told of new events.
    pub(super) fn heed(&self, word: &str) -> bool {
        let Some(connection) = word.strip_prefix(END) else {
            return word != self.name;
        };
        if let (Ok(id), Some(end)) = (connection.parse::<Uuid>(), self.end_connection.get()) {
            end(id);
        }
        false
    }
}

impl PgSystemStore {
    /// Has this called with each connection that another process was asked to end, and has not. The first one counts.
    pub fn on_asked_to_end(&self, end: impl Fn(Uuid) + Send + Sync + 'static) {
        let _ = self.process().end_connection.set(Box::new(end));
    }
}

#[async_trait]
impl OtherProcesses for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.other_processes.end_connection", skip_all)]
    async fn end_connection(&self, connection: Uuid) -> Result<(), StoreError> {
        let word = format!("{END}{connection}");
        let telling = self.cluster().system();
        telling.sql(TELL).bind(word.as_str()).enqueue().await?;
        telling.commit().await?;
        Ok(())
    }
}

impl fmt::Debug for ThisProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThisProcess").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn others_tell_of_events_and_of_connections_and_one_hears_nothing_of_itself() {
        let here = ThisProcess::new(Uuid::from_u128(1));
        let ended = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::clone(&ended);
        let _ = here
            .end_connection
            .set(Box::new(move |id| end.lock().unwrap().push(id)));
        let connection = Uuid::from_u128(7);

        let told = [
            here.name().to_owned(),
            Uuid::from_u128(2).to_string(),
            format!("end {connection}"),
            "end of the world".to_owned(),
        ];

        let of_events = told.map(|word| here.heed(&word));
        assert_eq!(of_events, [false, true, false, false]);
        assert_eq!(*ended.lock().unwrap(), [connection]);
    }
}
