//! When somebody is to be told that something is wrong, and when that it is well again.
//!
//! A [`Rule`] has thresholds and an [`Objective`] an error budget; each says of a reading how bad it is. What follows from
//! that is the same for both: a [`Watch`] is stepped with the time and a reading, and says what is to be told. It opens an
//! [`Incident`] once it was bad for long enough, escalates it at most once, resolves it once it was well for long enough,
//! and tells each of these once: one incident, one notice. A watch can be written down and read again between two steps,
//! so it is the same whichever process steps it.
//!
//! Rules, watches and what was told are kept behind [`Alerts`] for all processes. One of them at a time takes the
//! [`Turn`] to [`judge`] what all have measured.

mod act;
mod alert;
mod burn;
mod counts;
mod incident;
mod judge;
mod kept;
mod metric;
mod port;
mod rule;
mod rules;
mod silence;
mod tell;
mod watch;

pub use act::{
    AlertError, MakeRuleError, RuleError, acknowledge, active, change_objective, change_rule, delete_rule,
    end_silence, make_rule, silence,
};
pub use alert::{Alert, AlertId, AlertNotice, NoticeKind, WhichAlerts};
pub use burn::{BurnAlert, Burning, Objective, Promise, Requests, WrongObjective};
pub use counts::{Count, Counts};
pub use incident::{Escalation, Incident, Notice, Severity, Told};
pub use judge::{Readings, ToTell, judge};
pub use kept::{Changed, KeptObjective, KeptRule, NoSuchRule, RuleDraft, Standing};
pub use metric::{Bad, Metric};
pub use port::{Alerts, Known, Turn};
pub use rule::{Reading, Rule, Timing, Verdict, WrongRule};
pub use rules::{default_objectives, default_rules};
pub use silence::{Silence, WrongSilence};
pub use tell::{Channel, TellAlert, TellAlertParts};
pub use watch::Watch;

#[cfg(test)]
mod tests;
