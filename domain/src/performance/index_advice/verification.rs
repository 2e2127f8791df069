/// What the planner makes of an index that is advised, as if it were there.
#[derive(Clone, Debug, PartialEq)]
pub enum Verification {
    /// It takes it, and believes that the statements cost so much less.
    Verified(Costs),
    /// It does not take it, or saves too little by it.
    Refuted(Costs),
    /// Nobody has asked it, for this reason.
    Unverified(String),
}

/// What the statements are believed to cost that an index would serve, each once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    pub before: f64,
    pub after: f64,
}

/// An index that saves less of what statements cost is not worth it.
const SAVES: f64 = 0.3;

impl Verification {
    /// Judges by what statements cost without and with the index.
    pub fn of(costs: Costs) -> Self {
        if costs.after <= costs.before * (1.0 - SAVES) {
            Self::Verified(costs)
        } else {
            Self::Refuted(costs)
        }
    }
}
