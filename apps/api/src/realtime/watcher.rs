use actix_web::web;
use fairlead_domain::events::{EventFilter, FollowError, LiveEvents};
use fairlead_domain::operations::{Operation, OperationsPermit};
use tokio::sync::watch;

use super::connections::{ConnectionKind, Open};
use super::watches::Sight;
use crate::state::Services;

/// What operators see that a watcher wants.
const PROGRESS: &str = "operation_progress";

/// One client that watches an operation. It counts as one that follows events, and leaves with those.
pub(crate) struct Watcher {
    services: web::Data<Services>,
    open: Open,
    live: Box<dyn LiveEvents>,
    sights: watch::Receiver<Sight>,
}

/// What comes to a watcher.
#[derive(Debug)]
pub(crate) enum News {
    Sight(Sight),
    /// The process stops, or an operator wants the client to leave.
    Leave,
}

impl Watcher {
    /// Begins to watch an operation that was seen just now.
    pub(crate) async fn join(
        services: web::Data<Services>,
        permit: &OperationsPermit,
        seen: Operation,
    ) -> Result<Self, FollowError> {
        let tenant = permit.scope().tenant();
        let followed = services.live.follow(tenant).await?;
        let open = services
            .connections
            .open(ConnectionKind::Stream, tenant, permit.actor());
        open.note_subscription(Some(EventFilter {
            types: vec![PROGRESS.to_owned()],
            aggregate: None,
        }));
        let mut sights = services.watches.watch(permit.scope(), seen);
        // What is there already is news to this client.
        sights.mark_changed();
        Ok(Self {
            services,
            open,
            live: followed.events,
            sights,
        })
    }

    /// Waits until the process stops or an operator wants the client to leave.
    pub(crate) async fn is_to_leave(&self) {
        tokio::select! {
            () = self.open.connection().to_end() => {}
            () = self.live.closing() => {}
        }
    }

    /// Waits for what comes next. Whoever stops waiting misses nothing by it.
    pub(crate) async fn next(&mut self) -> News {
        let connection = self.open.connection().clone();
        tokio::select! {
            biased;
            () = connection.to_end() => News::Leave,
            () = self.live.closing() => News::Leave,
            changed = self.sights.changed() => match changed {
                Ok(()) => News::Sight(self.sights.borrow_and_update().clone()),
                // The last sight was taken before, and ended the stream.
                Err(_) => News::Leave,
            },
        }
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn open(&self) -> &Open {
        &self.open
    }
}
