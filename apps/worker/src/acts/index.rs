//! An index that is built under a name of its own, and gets its own where it pays.

use std::time::Instant;

use fairlead_domain::performance::acts::{
    Act, ActState, Figures, Maintaining, MaintenanceError, MaintenanceSession, NewIndex, Progress, Verdict,
    Watched, Weighed, judge,
};
use fairlead_domain::performance::index_advice::Costs;
use tokio::time::sleep;

use super::measure::{self, OfIndex};
use super::{Broken, DoActs, LOOK_EVERY};

/// What was known of an index before it was there.
struct Before {
    /// By the statements that it is to serve; `None` of those that cannot be planned.
    costs: Vec<Option<f64>>,
    measured: OfIndex,
}

impl DoActs {
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
        if let Some(found) = session.index(&index.name).await? {
            if found.is_valid {
                // By somebody else, or by this act, which could not say so.
                let known = act.outcome.take().filter(|_| !act.after.is_empty());
                let outcome = known.unwrap_or_else(|| "there is an index of this name".to_owned());
                return self.end(act, ActState::Done, outcome).await;
            }
            let name = &index.name;
            let fault = format!(
                "there is an index {name} that is not valid: drop it, unless somebody is building it"
            );
            return Err(MaintenanceError::Refused(fault).into());
        }
        let provisional = NewIndex::provisional(act.id);
        // One act is under way at a time: what others have left serves nobody.
        for left in session.indexes(NewIndex::PROVISIONAL).await? {
            session.drop_index(&left).await?;
        }
        let before = self.look_before(act, index).await?;
        self.go_on(act).await?;
        let building = session.build_index(&provisional, &index.definition);
        self.beside(act, Some(&mut *progress), building).await?;
        let verdict = self.watch(act, index, before, &mut *session).await?;
        match verdict {
            Verdict::Kept(why) => {
                // So that whoever takes it up from here knows why it stays.
                act.outcome = Some(why.clone());
                self.go_on(act).await?;
                session.rename_index(&provisional, &index.name).await?;
                let ended = self.end(act, ActState::Done, why).await;
                if matches!(ended, Err(Broken::Cancelled)) {
                    session.drop_index(&index.name).await?;
                }
                ended
            }
            Verdict::Reverted(why) => {
                session.drop_index(&provisional).await?;
                self.end(act, ActState::Reverted, why).await
            }
        }
    }

    async fn look_before(&self, act: &mut Act, index: &NewIndex) -> Result<Before, Broken> {
        let costs = self.costs(index).await?;
        if costs.iter().all(Option::is_none) {
            let fault = "none of the statements that it is to serve can be planned as requests send them";
            return Err(MaintenanceError::Refused(fault.to_owned()).into());
        }
        act.before = Figures::from([("plannedCost".to_owned(), costs.iter().flatten().sum())]);
        act.after = Figures::new();
        let measured = OfIndex::of(&self.parts.statements.statements(), index);
        Ok(Before { costs, measured })
    }

    /// Judges one that is built, by what its statements take from now on.
    async fn watch(
        &self,
        act: &mut Act,
        index: &NewIndex,
        before: Before,
        session: &mut dyn MaintenanceSession,
    ) -> Result<Verdict, Broken> {
        let earlier = OfIndex::of(&self.parts.statements.statements(), index);
        let costs = before.costs.iter().zip(self.costs(index).await?);
        let mut watched = Watched {
            costs: costs
                .filter_map(|(before, after)| {
                    Some(Costs {
                        before: (*before)?,
                        after: after?,
                    })
                })
                .collect(),
            ..Watched::default()
        };
        let began = Instant::now();
        while watched.is_taken() && began.elapsed() < self.parts.watch {
            act.progress = Some(Progress {
                phase: "watching".to_owned(),
                done: Some(began.elapsed().as_secs()),
                of: Some(self.parts.watch.as_secs()),
            });
            self.go_on(act).await?;
            sleep(LOOK_EVERY.min(self.parts.watch)).await;
        }
        let since = OfIndex::of(&self.parts.statements.statements(), index).since(&earlier);
        (watched.reads, watched.writes) = before.measured.compare(&since);
        act.after.insert("plannedCost".to_owned(), watched.cost().after);
        for (names, weighed) in [
            (["readCalls", "readMeanMs"], Weighed::of(&watched.reads)),
            (["writeCalls", "writeMeanMs"], Weighed::of(&watched.writes)),
        ] {
            let [calls, mean] = names.map(str::to_owned);
            act.after.insert(calls, weighed.calls);
            if let Some((before, since)) = weighed.means() {
                act.before.insert(mean.clone(), before);
                act.after.insert(mean, since);
            }
        }
        let provisional = NewIndex::provisional(act.id);
        if let Some(built) = session.index(&provisional).await? {
            act.after
                .insert("indexBytes".to_owned(), measure::real(built.bytes));
            act.after
                .insert("indexScans".to_owned(), measure::real(built.scans));
        }
        Ok(judge(&watched))
    }

    async fn costs(&self, index: &NewIndex) -> Result<Vec<Option<f64>>, Broken> {
        let texts: Vec<&str> = index.serves.iter().map(|served| served.text.as_str()).collect();
        Ok(self.parts.plans.costs(&texts).await?)
    }
}
