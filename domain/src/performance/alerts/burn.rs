use thiserror::Error;
use time::Duration;
use time::ext::NumericalDuration as _;

use super::{Severity, Timing, Verdict};
use crate::performance::statistics::{real_u64, share};
use crate::performance::{Figures, Series};

/// Which share of requests is to be good, over thirty days.
///
/// The rest is a budget that may be spent; alerts look how fast it is. Each looks at two windows, a long one that shows
/// that it matters and a short one that shows that it goes on (Google, *The Site Reliability Workbook*, chapter 5, table
/// 5-8).
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    pub name: String,
    pub promise: Promise,
    target: f64,
}

/// What makes a request good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It was answered with no status from 500.
    Answered,
    /// It was answered within this time, however it was.
    Within(std::time::Duration),
}

/// An objective must leave something to be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the target of an objective must be more than 0 and less than 1")]
pub struct WrongObjective;

/// So many times faster than the budget allows, over both windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnAlert {
    pub long: Duration,
    pub short: Duration,
    pub burn: f64,
    pub severity: Severity,
}

/// What became of requests in the last so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    pub window: Duration,
    pub total: u64,
    pub bad: u64,
}

/// How fast the budget is spent.
#[derive(Clone, Debug, PartialEq)]
pub struct Burning {
    pub verdict: Verdict,
    /// For each alert, over its long and its short window; `None`: that window was not measured.
    pub burns: [(BurnAlert, Option<f64>, Option<f64>); 3],
    /// Which share of the budget is left; less than nothing when more was spent. `None`: the period was not measured.
    pub budget_left: Option<f64>,
}

impl Objective {
    pub const PERIOD: Duration = Duration::days(30);
    /// Where there are few requests a single failure is a fast burn: fewer failures than these are no incident.
    pub const FEWEST_BAD: u64 = 10;
    /// What their keys begin with, and no rule's.
    pub const KEYS: &str = "burn-";

    /// # Errors
    ///
    /// When nothing is promised, or everything.
    pub fn new(name: impl Into<String>, promise: Promise, target: f64) -> Result<Self, WrongObjective> {
        let is_sound = target > 0.0 && target < 1.0;
        is_sound
            .then(|| Self {
                name: name.into(),
                promise,
                target,
            })
            .ok_or(WrongObjective)
    }

    pub fn target(&self) -> f64 {
        self.target
    }

    /// Names what watches how fast its budget is spent, beside the rules.
    pub fn key(&self) -> String {
        Self::key_of(&self.name)
    }

    /// The same by its name.
    pub fn key_of(name: &str) -> String {
        format!("{}{name}", Self::KEYS)
    }

    /// What is told at once because it spends 2 % of the budget in an hour or 5 % in six, and what can wait because it
    /// spends 10 % in three days.
    pub fn alerts() -> [BurnAlert; 3] {
        let alert = |long, short, burn, severity| BurnAlert {
            long,
            short,
            burn,
            severity,
        };
        [
            alert(1.hours(), 5.minutes(), 14.4, Severity::Critical),
            alert(6.hours(), 30.minutes(), 6.0, Severity::Critical),
            alert(3.days(), 6.hours(), 1.0, Severity::Warning),
        ]
    }

    /// The windows that [`Objective::judge`] wants to be told of.
    pub fn windows() -> Vec<Duration> {
        let alerts = Self::alerts();
        let mut windows: Vec<Duration> = alerts
            .iter()
            .flat_map(|alert| [alert.long, alert.short])
            .chain([Self::PERIOD])
            .collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// The windows have waited already, so an incident opens at once. It takes no less to be well again.
    pub fn timing() -> Timing {
        Timing::usual().held(Duration::ZERO)
    }

    pub fn judge(&self, requests: &[Requests]) -> Burning {
        let find = |window| requests.iter().find(|requests| requests.window == window);
        let burns = Self::alerts().map(|alert| {
            let burn = |window| find(window).map(|requests| self.burn(requests));
            (alert, burn(alert.long), burn(alert.short))
        });
        let mut verdict = Verdict::Well { value: 0.0 };
        // The mildest alert comes first, so the worst that burns is what remains.
        for (alert, long, short) in burns.iter().rev() {
            let enough = find(alert.long).is_some_and(|requests| requests.bad >= Self::FEWEST_BAD);
            verdict = match (long, short) {
                (Some(long), Some(short)) if *long >= alert.burn && *short >= alert.burn && enough => {
                    let severity = alert.severity;
                    Verdict::Bad {
                        severity,
                        value: *long,
                    }
                }
                (Some(long), Some(_)) => match verdict {
                    Verdict::Well { value } => Verdict::Well {
                        value: value.max(*long),
                    },
                    other => other,
                },
                _ => match verdict {
                    Verdict::Bad { .. } => verdict,
                    _ => Verdict::Unknown,
                },
            };
        }
        Burning {
            verdict,
            burns,
            budget_left: find(Self::PERIOD).map(|requests| 1.0 - self.burn(requests)),
        }
    }

    /// How many times as many failures there were as the budget allows. Without requests none failed.
    fn burn(&self, requests: &Requests) -> f64 {
        let failed = share(real_u64(requests.bad), real_u64(requests.total)).unwrap_or_default();
        failed / (1.0 - self.target)
    }
}

impl Promise {
    /// How many requests were measured, and how many of them were not good.
    pub fn tally(self, measured: &[(Series, Figures)]) -> (u64, u64) {
        let mut tally = (0, 0);
        for (series, figures) in measured {
            let (Series::Route(route), Figures::Times(times)) = (series, figures) else {
                continue;
            };
            let bad = match self {
                Self::Answered if route.class >= 5 => times.count(),
                Self::Answered => 0,
                Self::Within(bound) => times.longer_than(bound),
            };
            tally.0 += times.count();
            tally.1 += bad;
        }
        tally
    }
}
