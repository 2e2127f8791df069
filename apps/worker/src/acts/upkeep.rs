//! Has tables vacuumed and analysed that are due, when a schedule says so.

use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler};
use fairlead_domain::performance::acts::{Asked, Deed, ask};
use fairlead_domain::performance::catalog::Catalog;
use fairlead_domain::performance::maintenance::{Due, due};
use fairlead_domain::store::SystemStore;

use super::begin;

/// Who has asked for what a schedule asks for.
const SCHEDULE: &str = "the schedule upkeep";

/// Does the jobs of the schedule.
pub fn upkeep(store: Arc<dyn SystemStore>, catalog: Arc<dyn Catalog>) -> Arc<dyn JobHandler> {
    Arc::new(Upkeep { store, catalog })
}

#[derive(Debug)]
struct Upkeep {
    store: Arc<dyn SystemStore>,
    catalog: Arc<dyn Catalog>,
}

#[async_trait]
impl JobHandler for Upkeep {
    fn kind(&self) -> &'static str {
        "upkeep"
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    async fn run(&self, _: &Job) -> Result<Done, JobError> {
        let tables = self.catalog.tables().await?;
        let mut uow = begin(&*self.store).await?;
        for maintenance in due(&tables, &Due::default()) {
            let why = maintenance.why();
            let deed = Deed::Vacuum {
                table: maintenance.table,
            };
            if let Asked::New(act) = ask(&mut *uow, deed, why, SCHEDULE).await? {
                tracing::info!(act = %act.id, table = act.deed.subject(), why = act.why, "a table is due");
            }
        }
        uow.commit().await?;
        Ok(Done::Now)
    }
}
