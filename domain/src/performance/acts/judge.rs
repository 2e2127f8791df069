use crate::performance::index_advice::{Costs, Verification};
use crate::performance::statistics::share;

/// How often something was sent, and how long it took on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    pub calls: f64,
    pub mean_ms: f64,
}

/// What was measured of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// What the planner believes that the statements cost which it is to serve, without it and with it.
    pub costs: Costs,
    /// Those statements before it was there, and since.
    pub reads_before: Means,
    pub reads: Means,
    /// What changes rows of its table, the same.
    pub writes_before: Means,
    pub writes: Means,
}

/// Whether an index stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Kept(String),
    Reverted(String),
}

/// Of fewer calls nothing is said: one that waits for a lock would decide.
const ENOUGH_CALLS: f64 = 20.0;
/// Statements have to take this much less time.
const FASTER: f64 = 0.1;

/// Says whether an index stays: it does if the planner takes it, the statements that it serves are measured to be faster,
/// and writes do not lose more than they gain. What was sent too seldom to be measured is left to the planner.
pub fn judge(watched: &Watched) -> Verdict {
    let Watched {
        costs,
        reads_before,
        reads,
        writes_before,
        writes,
    } = watched;
    let planned = format!(
        "the planner believes that its statements cost {:.1} instead of {:.1}",
        costs.after, costs.before
    );
    if matches!(Verification::of(*costs), Verification::Refuted(_)) {
        return Verdict::Reverted(format!("it is not worth it: {planned}"));
    }
    if reads_before.calls < ENOUGH_CALLS || reads.calls < ENOUGH_CALLS {
        return Verdict::Kept(format!(
            "{planned}; they were sent {:.0} times before and {:.0} times since, which is too seldom to be measured",
            reads_before.calls, reads.calls
        ));
    }
    let measured = format!(
        "its statements took {:.2} ms instead of {:.2} ms",
        reads.mean_ms, reads_before.mean_ms
    );
    let gained = reads_before.mean_ms - reads.mean_ms;
    if share(gained, reads_before.mean_ms).unwrap_or_default() < FASTER {
        return Verdict::Reverted(format!("it does not make them faster: {measured}"));
    }
    let is_known = writes_before.calls >= ENOUGH_CALLS && writes.calls >= ENOUGH_CALLS;
    let lost = (writes.mean_ms - writes_before.mean_ms).max(0.0);
    if is_known && lost * writes.calls >= gained * reads.calls {
        return Verdict::Reverted(format!(
            "writes lose more than that: {:.2} ms instead of {:.2} ms, {:.0} times, while {measured}, {:.0} times",
            writes.mean_ms, writes_before.mean_ms, writes.calls, reads.calls
        ));
    }
    Verdict::Kept(measured)
}
