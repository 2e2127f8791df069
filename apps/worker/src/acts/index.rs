//! An index that is built, and dropped again where it does not pay.

use std::time::Instant;

use fairlead_domain::performance::acts::{
    Act, ActState, Maintaining, MaintenanceError, MaintenanceSession, NewIndex, Progress, Verdict, Watched,
    judge,
};
use fairlead_domain::performance::index_advice::{Costs, Verification};
use tokio::time::sleep;

use super::measure::{self, OfIndex};
use super::{Broken, DoActs, LOOK_EVERY};

/// How costs are called in an act's figures.
const PLANNED: &str = "plannedCost";

impl DoActs {
    /// What was measured before it was built stands in the act from then on: who finds the index built knows that it is this
    /// act's.
    pub(super) async fn build(
        &self,
        act: &mut Act,
        index: &NewIndex,
        maintaining: Maintaining,
    ) -> Result<(), Broken> {
        let Maintaining {
            mut session,
            mut progress,
        } = maintaining;
        let found = session.index(&index.name).await?;
        let is_built = found.is_some_and(|found| found.is_valid);
        if is_built && act.before.is_empty() {
            return self
                .end(act, ActState::Done, "it was there already".to_owned())
                .await;
        }
        if !is_built {
            if found.is_some() {
                // Its building was broken off.
                session.drop_index(&index.name).await?;
            }
            let cost = self.cost(index).await?;
            let measured = OfIndex::of(&self.parts.statements.statements(), index);
            act.before.insert(PLANNED.to_owned(), cost);
            measure::put(&mut act.before, measured.reads(), measured.writes());
            self.go_on(act).await?;
            let building = session.build_index(&index.name, &index.definition);
            if let Err(broken) = self.beside(act, &mut *progress, building).await {
                if matches!(broken, Broken::Failed(_)) {
                    drop_unless_valid(&mut *session, &index.name).await;
                }
                return Err(broken);
            }
        }
        self.watch(act, index, &mut *session).await
    }

    /// Judges one that is built.
    async fn watch(
        &self,
        act: &mut Act,
        index: &NewIndex,
        session: &mut dyn MaintenanceSession,
    ) -> Result<(), Broken> {
        let earlier = OfIndex::of(&self.parts.statements.statements(), index);
        let costs = Costs {
            before: act.before.get(PLANNED).copied().unwrap_or_default(),
            after: self.cost(index).await?,
        };
        act.after.insert(PLANNED.to_owned(), costs.after);
        let began = Instant::now();
        let is_taken = matches!(Verification::of(costs), Verification::Verified(_));
        while is_taken && began.elapsed() < self.parts.watch {
            act.progress = Some(Progress {
                phase: "watching".to_owned(),
                done: Some(began.elapsed().as_secs()),
                of: Some(self.parts.watch.as_secs()),
            });
            self.go_on(act).await?;
            sleep(LOOK_EVERY.min(self.parts.watch)).await;
        }
        let measured = OfIndex::of(&self.parts.statements.statements(), index).since(&earlier);
        let (reads_before, writes_before) = measure::means_in(&act.before);
        let (reads, writes) = (measured.reads(), measured.writes());
        measure::put(&mut act.after, reads, writes);
        if let Some(built) = session.index(&index.name).await? {
            act.after
                .insert("indexBytes".to_owned(), measure::real(built.bytes));
            act.after
                .insert("indexScans".to_owned(), measure::real(built.scans));
        }
        let watched = Watched {
            costs,
            reads_before,
            reads,
            writes_before,
            writes,
        };
        match judge(&watched) {
            Verdict::Kept(why) => self.end(act, ActState::Done, why).await,
            Verdict::Reverted(why) => {
                session.drop_index(&index.name).await?;
                self.end(act, ActState::Reverted, why).await
            }
        }
    }

    async fn cost(&self, index: &NewIndex) -> Result<f64, MaintenanceError> {
        let texts: Vec<&str> = index.serves.iter().map(|served| served.text.as_str()).collect();
        let cost = self.parts.plans.cost(&texts).await?;
        cost.ok_or_else(|| {
            MaintenanceError::Refused("the statements that it is to serve cannot be planned".to_owned())
        })
    }
}

/// Takes back what an act that was cancelled has built.
pub(super) async fn take_back(maintaining: Maintaining, index: &NewIndex) -> Result<(), Broken> {
    let Maintaining { mut session, .. } = maintaining;
    Ok(session.drop_index(&index.name).await?)
}

async fn drop_unless_valid(session: &mut dyn MaintenanceSession, name: &str) {
    let dropped = match session.index(name).await {
        Ok(Some(found)) if !found.is_valid => session.drop_index(name).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = dropped {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(
            name,
            error,
            "an index that is not valid may be left; the next try drops it"
        );
    }
}
