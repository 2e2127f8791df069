//! Months of events that are archived.

use fairlead_domain::performance::acts::{
    Act, ActState, ArchiveStrategy, Figures, MonthOutcome, OldMonth, Progress,
};
use time::Date;

use super::measure::real;
use super::{Broken, DoActs};

impl DoActs {
    /// Does it to one month after the other, up to the first that must stay.
    pub(super) async fn archive(
        &self,
        act: &mut Act,
        before: Date,
        strategy: ArchiveStrategy,
    ) -> Result<(), Broken> {
        let months = self.parts.months.old(before.midnight().assume_utc()).await?;
        if act.before.is_empty() {
            act.before = figures(&months);
        }
        let (mut done, mut kept) = (0, None);
        for old in &months {
            act.progress = Some(Progress {
                phase: format!("{} {}", strategy.as_str(), name(old.month)),
                done: Some(done as u64),
                of: Some(months.len() as u64),
            });
            match self.archive_month(act, old.month, strategy).await? {
                MonthOutcome::Kept(why) => {
                    kept = Some(format!("; {} stays: {why}", name(old.month)));
                    break;
                }
                MonthOutcome::Copied | MonthOutcome::Dropped | MonthOutcome::Unfinished => done += 1,
            }
        }
        act.after = figures(&months[..done]);
        let did = match strategy {
            ArchiveStrategy::Move => "written to the archive and dropped",
            ArchiveStrategy::Copy => "written to the archive",
            ArchiveStrategy::Delete => "dropped",
        };
        let outcome = format!(
            "{done} of {} months were {did}{}",
            months.len(),
            kept.unwrap_or_default()
        );
        let state = if done == 0 && !months.is_empty() {
            ActState::Failed
        } else {
            ActState::Done
        };
        self.end(act, state, outcome).await
    }

    /// Goes on until all of it is written.
    async fn archive_month(
        &self,
        act: &mut Act,
        month: Date,
        strategy: ArchiveStrategy,
    ) -> Result<MonthOutcome, Broken> {
        loop {
            self.go_on(act).await?;
            let archiving = async { Ok(self.parts.months.archive(month, strategy).await?) };
            match self.beside(act, None, archiving).await? {
                MonthOutcome::Unfinished => {}
                outcome => return Ok(outcome),
            }
        }
    }
}

fn figures(months: &[OldMonth]) -> Figures {
    let rows: u64 = months.iter().filter_map(|old| old.estimated_rows).sum();
    let bytes: u64 = months.iter().map(|old| old.bytes).sum();
    Figures::from([
        ("months".to_owned(), real(months.len() as u64)),
        ("estimatedRows".to_owned(), real(rows)),
        ("bytes".to_owned(), real(bytes)),
    ])
}

fn name(month: Date) -> String {
    format!("{:04}-{:02}", month.year(), u8::from(month.month()))
}
