use thiserror::Error;
use time::Duration;
use time::ext::NumericalDuration as _;

use super::{Bad, Metric, Severity};

/// How long things must last to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For how long it must be bad before an incident is opened.
    pub hold: Duration,
    /// For how long it must be well before an incident is resolved.
    pub calm: Duration,
    /// For how long after an incident the next one of its severity is not told.
    pub cooldown: Duration,
    /// How long after it was told an incident that nobody has acknowledged is critical.
    pub escalate_after: Duration,
}

/// What is bad, and how bad.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub key: String,
    pub metric: Metric,
    pub timing: Timing,
    warning: Option<f64>,
    critical: Option<f64>,
}

/// A rule makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongRule {
    #[error("a rule needs a warning or a critical threshold")]
    NoThreshold,
    #[error("a threshold must be a number, from 0")]
    Threshold,
    #[error("the critical threshold must be worse than the warning one")]
    Order,
    #[error("times of a rule must be from 0 seconds to 7 days")]
    Timing,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    Value(f64),
    /// Nothing: it is neither bad nor well.
    Missing,
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Bad {
        severity: Severity,
        value: f64,
    },
    /// Not bad, but not so far from it that an incident is over.
    Close {
        value: f64,
    },
    Well {
        value: f64,
    },
    Unknown,
}

impl Rule {
    /// How far from its threshold a value must be to be well, as a share of it. Else one that lies at the threshold
    /// would be bad and well in turns.
    pub const MARGIN: f64 = 0.05;
    /// The longest time a rule may have.
    pub const LONGEST: Duration = Duration::DAY.saturating_mul(7);

    /// # Errors
    ///
    /// When thresholds are missing, are no numbers, or are the wrong way round; when a time is out of bounds.
    pub fn new(
        key: impl Into<String>,
        metric: Metric,
        warning: Option<f64>,
        critical: Option<f64>,
        timing: Timing,
    ) -> Result<Self, WrongRule> {
        let thresholds = || warning.into_iter().chain(critical);
        if thresholds().next().is_none() {
            return Err(WrongRule::NoThreshold);
        }
        if !thresholds().all(|threshold| threshold.is_finite() && threshold >= 0.0) {
            return Err(WrongRule::Threshold);
        }
        if let (Some(warning), Some(critical)) = (warning, critical)
            && !metric.bad().is_worse(critical, warning)
        {
            return Err(WrongRule::Order);
        }
        if !timing.is_sound() {
            return Err(WrongRule::Timing);
        }
        Ok(Self {
            key: key.into(),
            metric,
            timing,
            warning,
            critical,
        })
    }

    /// On which side of its thresholds a value is bad.
    pub fn bad(&self) -> Bad {
        self.metric.bad()
    }

    pub fn warning(&self) -> Option<f64> {
        self.warning
    }

    pub fn critical(&self) -> Option<f64> {
        self.critical
    }

    pub fn judge(&self, reading: Reading) -> Verdict {
        let Reading::Value(value) = reading else {
            return Verdict::Unknown;
        };
        if !value.is_finite() {
            return Verdict::Unknown;
        }
        let reached =
            |threshold: Option<f64>| threshold.is_some_and(|limit| !self.bad().is_worse(limit, value));
        let severity = if reached(self.critical) {
            Severity::Critical
        } else if reached(self.warning) {
            Severity::Warning
        } else if self.is_close(value) {
            return Verdict::Close { value };
        } else {
            return Verdict::Well { value };
        };
        Verdict::Bad { severity, value }
    }

    fn is_close(&self, value: f64) -> bool {
        let Some(mildest) = self.warning.or(self.critical) else {
            return false;
        };
        let well = match self.bad() {
            Bad::Above => mildest * (1.0 - Self::MARGIN),
            Bad::Below => mildest * (1.0 + Self::MARGIN),
        };
        self.bad().is_worse(value, well)
    }
}

impl Timing {
    /// Bad for five minutes, well for five minutes; told again after an hour; critical after an hour.
    pub fn usual() -> Self {
        Self {
            hold: 5.minutes(),
            calm: 5.minutes(),
            cooldown: 1.hours(),
            escalate_after: 1.hours(),
        }
    }

    /// The same, for what has to be bad for another time, and well for no less.
    #[must_use]
    pub(super) fn held(self, hold: Duration) -> Self {
        let calm = self.calm.max(hold);
        Self { hold, calm, ..self }
    }

    fn is_sound(self) -> bool {
        let times = [self.hold, self.calm, self.cooldown, self.escalate_after];
        times
            .iter()
            .all(|time| (Duration::ZERO..=Rule::LONGEST).contains(time))
    }
}
