use fairlead_domain::performance::alerts::Timing;
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;

use crate::whole::Whole;

/// How long things must last to matter.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as they are said")]
#[schema(as = NewAlertTiming, example = json!({"holdSeconds": 120}))]
pub(super) struct TimingBody {
    /// For how long it must be bad before an alert is opened,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800, default = 300)]
    hold_seconds: Option<Whole>,
    /// and well before it is resolved.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800, default = 300)]
    calm_seconds: Option<Whole>,
    /// For how long after an alert the next one of its severity is not told.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800, default = 3_600)]
    cooldown_seconds: Option<Whole>,
    /// How long after it was told an alert is critical that nobody has acknowledged.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800, default = 3_600)]
    escalate_after_seconds: Option<Whole>,
}

/// How long things must last to matter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as they are told")]
#[schema(as = AlertTiming)]
pub(super) struct TimingView {
    /// For how long it must be bad before an alert is opened,
    hold_seconds: i64,
    /// and well before it is resolved.
    calm_seconds: i64,
    /// For how long after an alert the next one of its severity is not told.
    cooldown_seconds: i64,
    /// How long after it was told an alert is critical that nobody has acknowledged.
    escalate_after_seconds: i64,
}

impl From<TimingBody> for Timing {
    fn from(body: TimingBody) -> Self {
        let usual = Self::usual();
        let or = |given: Option<Whole>, usual| given.map_or(usual, |Whole(given)| Duration::seconds(given));
        Self {
            hold: or(body.hold_seconds, usual.hold),
            calm: or(body.calm_seconds, usual.calm),
            cooldown: or(body.cooldown_seconds, usual.cooldown),
            escalate_after: or(body.escalate_after_seconds, usual.escalate_after),
        }
    }
}

impl From<Timing> for TimingView {
    fn from(timing: Timing) -> Self {
        Self {
            hold_seconds: timing.hold.whole_seconds(),
            calm_seconds: timing.calm.whole_seconds(),
            cooldown_seconds: timing.cooldown.whole_seconds(),
            escalate_after_seconds: timing.escalate_after.whole_seconds(),
        }
    }
}
