use thiserror::Error;
use time::OffsetDateTime;

use super::{Metric, Objective, Rule, Silence, Timing, Watch, default_objectives, default_rules};
use crate::invalid::{Faults, Invalid};

/// A rule as it is kept for all processes.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRule {
    pub rule: Rule,
    /// One that is not is watched by nobody.
    pub is_enabled: bool,
    /// `None`: it is as it came with the platform.
    pub changed: Option<Changed>,
}

/// An objective as it is kept for all processes.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptObjective {
    pub objective: Objective,
    pub is_enabled: bool,
    pub changed: Option<Changed>,
}

/// By which operator something was changed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub by: String,
    pub at: OffsetDateTime,
}

/// Where a rule or an objective stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    pub watch: Watch,
    /// Whether or not it is over.
    pub silence: Option<Silence>,
    /// What was read in the last turn; `None`: it was not measured then.
    pub value: Option<f64>,
    /// When that was.
    pub read_at: Option<OffsetDateTime>,
}

/// What an operator says of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleDraft {
    pub key: String,
    pub metric: Metric,
    pub warning: Option<f64>,
    pub critical: Option<f64>,
    pub timing: Timing,
}

/// There is no rule of this key, and no objective that is watched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no rule of this key")]
pub struct NoSuchRule;

impl KeptRule {
    /// As it comes with the platform.
    pub fn original(rule: Rule) -> Self {
        Self {
            rule,
            is_enabled: true,
            changed: None,
        }
    }

    /// The one that comes with the platform by this key.
    pub fn find_original(key: &str) -> Option<Self> {
        let mut all = default_rules().into_iter();
        all.find(|rule| rule.key == key).map(Self::original)
    }
}

impl KeptObjective {
    pub fn original(objective: Objective) -> Self {
        Self {
            objective,
            is_enabled: true,
            changed: None,
        }
    }

    pub fn find_original(name: &str) -> Option<Self> {
        let mut all = default_objectives().into_iter();
        all.find(|objective| objective.name == name).map(Self::original)
    }
}

impl RuleDraft {
    pub const LONGEST_KEY: usize = 64;

    /// Makes a rule, or says of each field what is wrong with it.
    pub fn parse(self) -> Result<Rule, Invalid> {
        let mut faults = Faults::default();
        if !is_key(&self.key) {
            faults.add(
                "key",
                "must be of 1 to 64 of a to z, 0 to 9 and -, such as search-time; it begins with a letter",
            );
        } else if self.key.starts_with(Objective::KEYS) {
            faults.add("key", "must not begin with burn-, as those of objectives do");
        }
        for (field, threshold) in [("warning", self.warning), ("critical", self.critical)] {
            if threshold.is_some_and(|threshold| !threshold.is_finite() || threshold < 0.0) {
                faults.add(field, "must be a number, from 0");
            }
        }
        let Timing {
            hold,
            calm,
            cooldown,
            escalate_after,
        } = self.timing;
        let times = [
            ("timing.holdSeconds", hold),
            ("timing.calmSeconds", calm),
            ("timing.cooldownSeconds", cooldown),
            ("timing.escalateAfterSeconds", escalate_after),
        ];
        for (field, time) in times {
            if !(time::Duration::ZERO..=Rule::LONGEST).contains(&time) {
                let most = Rule::LONGEST.whole_seconds();
                faults.add(field, format!("must be a whole number from 0 to {most}"));
            }
        }
        faults.finish()?;
        // What is left is wrong with both thresholds together.
        Rule::new(self.key, self.metric, self.warning, self.critical, self.timing)
            .map_err(|error| Invalid::field("critical", error.to_string()))
    }
}

/// Whether a rule can have such a key.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= RuleDraft::LONGEST_KEY
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
