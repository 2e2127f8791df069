use thiserror::Error;

use super::station::Visit;
use super::system::{Solved, System};
use super::{Change, Live, WrongChange, WrongLive};

/// What would become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// As the model sees what is so now: how far it is from the live figures says how far to trust it.
    pub now: Outcome,
    pub then: Outcome,
    /// By how much the model's response time differs from the live one, as a share of that.
    pub fit_error: f64,
    /// Which share of the live response time the model knows no reason for. It does not change.
    pub unexplained: f64,
}

/// How an installation fares.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub throughput_per_second: f64,
    /// `None`: it grows without an end, because more requests come than can be answered.
    pub mean_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    /// How busy everything is, the busiest first.
    pub uses: Vec<Use>,
}

/// How busy a part is.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    pub part: &'static str,
    /// What it does, as a share of the most that it can do.
    pub share: f64,
    /// How many requests are there, or wait to be; `None`: ever more.
    pub requests: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongWhatIf {
    #[error(transparent)]
    Live(#[from] WrongLive),
    #[error(transparent)]
    Change(#[from] WrongChange),
}

/// Reckons what would become of an installation if all of these changed.
///
/// # Errors
///
/// When nothing follows from the figures, or a change cannot be.
pub fn what_if(live: &Live, changes: &[Change]) -> Result<WhatIf, WrongWhatIf> {
    let system = System::fit(live)?;
    let mut altered = system.clone();
    for change in changes {
        change.apply(&mut altered)?;
    }
    let (now, then) = (system.solve(), altered.solve());
    let response = now.response.unwrap_or(f64::INFINITY);
    let (visits, visits_then) = (system.visits(), altered.visits());
    let tail = Tail::of(live, visits.as_deref());
    Ok(WhatIf {
        now: tail.outcome(&system, &now, visits.as_deref()),
        then: tail.outcome(&altered, &then, visits_then.as_deref()),
        fit_error: ((response - live.mean_ms) / live.mean_ms).abs(),
        unexplained: system.unexplained / live.mean_ms,
    })
}

/// By how many standard deviations the P95 lies above the mean: 1.6 of what is distributed normally, 2 of what is
/// exponentially. It is taken from the live figures, because nothing says how requests differ by themselves; how their
/// deviation grows or shrinks with waiting is what the network says.
#[derive(Clone, Copy, Debug)]
struct Tail(f64);

impl Tail {
    fn of(live: &Live, visits: Option<&[Visit]>) -> Self {
        let deviation = visits.map_or(0.0, deviation);
        let above = (live.p95_ms - live.mean_ms).max(0.0);
        Self(if deviation > 0.0 { above / deviation } else { 0.0 })
    }

    fn outcome(self, system: &System, solved: &Solved, visits: Option<&[Visit]>) -> Outcome {
        let mut uses: Vec<Use> = system
            .stations()
            .iter()
            .enumerate()
            .filter(|(_, station)| station.capacity().is_finite() && !station.is_free())
            .map(|(at, station)| Use {
                part: station.name,
                share: solved.throughput / station.capacity(),
                requests: visits.map(|visits| visits[at].number),
            })
            .collect();
        uses.sort_by(|left, right| right.share.total_cmp(&left.share));
        Outcome {
            throughput_per_second: 1_000.0 * solved.throughput,
            mean_ms: solved.response,
            p95_ms: solved
                .response
                .zip(visits.map(deviation))
                .map(|(mean, deviation)| mean + self.0 * deviation),
            uses,
        }
    }
}

/// The standard deviation of what requests take, as if their times at different stations had nothing to do with each other.
fn deviation(visits: &[Visit]) -> f64 {
    visits.iter().map(|visit| visit.variance).sum::<f64>().sqrt()
}
