use crate::performance::index_advice::{Costs, Verification};
use crate::performance::statistics::share;

/// How often a statement was sent, and how long it took on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    pub calls: f64,
    pub mean_ms: f64,
}

/// The same statement without an index and with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    pub before: Means,
    pub since: Means,
}

/// What was measured of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// What the planner believes that each of the statements costs which it is to serve.
    pub costs: Vec<Costs>,
    /// Those statements, as they were sent.
    pub reads: Vec<Compared>,
    /// Those that change rows of its table.
    pub writes: Vec<Compared>,
}

/// Whether an index stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Kept(String),
    Reverted(String),
}

/// What statements took before and since, each as often as it was sent since: what is asked for more often now decides
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weighed {
    pub calls: f64,
    pub before_ms: f64,
    pub since_ms: f64,
}

/// Of fewer calls nothing is said: one that waits for a lock would decide.
const ENOUGH_CALLS: f64 = 20.0;
/// Statements have to take this much less time.
const FASTER: f64 = 0.1;

impl Weighed {
    /// Of those that were sent often enough, before and since.
    pub fn of(compared: &[Compared]) -> Self {
        let enough = |means: &Means| means.calls >= ENOUGH_CALLS;
        let known = compared
            .iter()
            .filter(|of| enough(&of.before) && enough(&of.since));
        known.fold(Self::default(), |whole, of| Self {
            calls: whole.calls + of.since.calls,
            before_ms: whole.before_ms + of.before.mean_ms * of.since.calls,
            since_ms: whole.since_ms + of.since.mean_ms * of.since.calls,
        })
    }

    /// By one call; `None`: none was sent often enough.
    pub fn means(&self) -> Option<(f64, f64)> {
        share(self.before_ms, self.calls).zip(share(self.since_ms, self.calls))
    }
}

impl Watched {
    /// Whether the planner would use the index for a statement that it is to serve.
    pub fn is_taken(&self) -> bool {
        let verifies = |costs: &Costs| matches!(Verification::of(*costs), Verification::Verified(_));
        self.costs.iter().any(verifies)
    }

    /// What the statements are believed to cost, each once.
    pub fn cost(&self) -> Costs {
        Costs {
            before: self.costs.iter().map(|costs| costs.before).sum(),
            after: self.costs.iter().map(|costs| costs.after).sum(),
        }
    }
}

/// Says whether an index stays: it does if the planner takes it, the statements that it serves are measured to be faster,
/// and writes do not lose more than they gain. What was sent too seldom to be measured is left to the planner.
pub fn judge(watched: &Watched) -> Verdict {
    let Costs { before, after } = watched.cost();
    let planned = format!("the planner believes that its statements cost {after:.1} instead of {before:.1}");
    if !watched.is_taken() {
        return Verdict::Reverted(format!("it is not worth it: {planned}"));
    }
    let (reads, writes) = (Weighed::of(&watched.reads), Weighed::of(&watched.writes));
    let Some((before, since)) = reads.means() else {
        return Verdict::Kept(format!(
            "{planned}; they were sent too seldom, before or since, to be measured"
        ));
    };
    let measured = format!("its statements took {since:.2} ms instead of {before:.2} ms");
    let gained = reads.before_ms - reads.since_ms;
    if share(gained, reads.before_ms).unwrap_or_default() < FASTER {
        return Verdict::Reverted(format!("it does not make them faster: {measured}"));
    }
    let lost = writes.since_ms - writes.before_ms;
    if lost >= gained {
        return Verdict::Reverted(format!(
            "{:.0} writes lost {lost:.0} ms, which is more than was gained: {measured}, {:.0} times",
            writes.calls, reads.calls
        ));
    }
    Verdict::Kept(measured)
}
