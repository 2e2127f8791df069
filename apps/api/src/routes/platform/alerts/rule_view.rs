use std::borrow::Cow;

use fairlead_domain::performance::alerts::{KeptRule, Metric, Standing};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::rule_body::TimingView;
use super::view::{SilenceView, in_force};
use crate::text;

/// When somebody is told, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertRule, example = json!({
    "key": "response-time", "metric": "responseP95Ms", "bad": "above", "warning": 200.0, "critical": 500.0,
    "timing": {"holdSeconds": 300, "calmSeconds": 300, "cooldownSeconds": 3600, "escalateAfterSeconds": 3600},
    "enabled": true, "isOfPlatform": true, "changedBy": null, "changedAt": null, "state": "well", "value": 12.4,
    "readAt": "2026-11-22T10:00:00Z", "silence": null,
}))]
pub(super) struct RuleView {
    key: String,
    #[schema(value_type = AlertMetric)]
    metric: &'static str,
    /// On which side of its thresholds a value is bad: `above` or `below`.
    bad: &'static str,
    #[schema(required = true)]
    warning: Option<f64>,
    #[schema(required = true)]
    critical: Option<f64>,
    timing: TimingView,
    enabled: bool,
    /// Whether it comes with the platform: deleted, it is as it came.
    is_of_platform: bool,
    /// `null`: it is as it came.
    #[schema(required = true)]
    changed_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    changed_at: Option<OffsetDateTime>,
    /// `well`; `rising`: bad, and not for long enough; `alert`; `not-measured`; or `off`.
    state: &'static str,
    /// What was measured last; `null`: nothing was, or too little to say so.
    #[schema(required = true)]
    value: Option<f64>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    read_at: Option<OffsetDateTime>,
    #[schema(required = true)]
    silence: Option<SilenceView>,
}

/// What can be watched, for the specification.
#[derive(Debug)]
pub(super) struct AlertMetric;

impl PartialSchema for AlertMetric {
    fn schema() -> RefOr<Schema> {
        text::one_of(Metric::ALL.map(Metric::as_str)).into()
    }
}

impl ToSchema for AlertMetric {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AlertMetric")
    }
}

impl RuleView {
    pub(super) fn new(kept: KeptRule, standing: Option<&Standing>, now: OffsetDateTime) -> Self {
        let KeptRule {
            rule,
            is_enabled,
            changed,
        } = kept;
        let (changed_by, changed_at) = changed.map(|changed| (changed.by, changed.at)).unzip();
        Self {
            state: state(is_enabled, standing),
            is_of_platform: KeptRule::find_original(&rule.key).is_some(),
            metric: Metric::as_str(rule.metric),
            bad: rule.bad().as_str(),
            warning: rule.warning(),
            critical: rule.critical(),
            timing: TimingView::from(rule.timing),
            enabled: is_enabled,
            changed_by,
            changed_at,
            value: standing.and_then(|standing| standing.value),
            read_at: standing.and_then(|standing| standing.read_at),
            silence: standing
                .and_then(|standing| in_force(standing, now))
                .map(SilenceView::from),
            key: rule.key,
        }
    }
}

/// Where a rule or an objective stands.
pub(super) fn state(is_enabled: bool, standing: Option<&Standing>) -> &'static str {
    let Some(standing) = standing.filter(|_| is_enabled) else {
        return if is_enabled { "not-measured" } else { "off" };
    };
    if standing.watch.incident().is_some() {
        "alert"
    } else if standing.watch.rising_since().is_some() {
        "rising"
    } else if standing.value.is_some() {
        "well"
    } else {
        "not-measured"
    }
}
