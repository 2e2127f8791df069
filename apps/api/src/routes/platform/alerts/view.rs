use std::collections::BTreeMap;

use fairlead_domain::performance::alerts::{
    Alert, AlertNotice, Escalation, Metric, Severity, Silence, Standing,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that is wrong, or was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alert, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "rule": "response-time", "metric": "responseP95Ms", "state": "active",
    "severity": "critical", "since": "2026-11-22T09:50:00Z", "openedAt": "2026-11-22T09:55:00Z", "resolvedAt": null,
    "value": 612.5, "worst": 740.0, "isFlapping": false,
    "told": {"severity": "critical", "since": "2026-11-22T09:55:00Z"},
    "acknowledgedAt": null, "acknowledgedBy": null, "silencedUntil": null,
}))]
pub(in crate::routes::platform) struct AlertView {
    id: Uuid,
    /// The key of what it is of: a rule, or an objective with `burn-` before its name.
    rule: String,
    /// What is measured; `null` of an objective: it is by how many times its budget is spent faster than it allows.
    #[schema(required = true)]
    metric: Option<&'static str>,
    #[schema(value_type = AlertState)]
    state: &'static str,
    /// The worst that it has been.
    #[schema(value_type = AlertSeverity)]
    severity: &'static str,
    /// Since when it is bad.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// When it had been bad for long enough.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// When it had been well for long enough, or was watched no more; `null`: it is not known to be over.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    resolved_at: Option<OffsetDateTime>,
    /// The last that was measured.
    value: f64,
    worst: f64,
    /// That it comes and goes, so it must be well for longer to be over.
    is_flapping: bool,
    /// What was told of it; `null`: nothing was, because of a silence or so soon after another one.
    #[schema(required = true)]
    told: Option<ToldView>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    acknowledged_at: Option<OffsetDateTime>,
    #[schema(required = true)]
    acknowledged_by: Option<String>,
    /// Until when nothing is told of its rule; `null`: it is told, or the alert is over.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    silenced_until: Option<OffsetDateTime>,
}

/// What was told of an alert.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertTold)]
struct ToldView {
    #[schema(value_type = AlertSeverity)]
    severity: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// Something that was told of an alert.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertNotice)]
pub(in crate::routes::platform) struct NoticeView {
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `opened`, `escalated` or `resolved`; each at most once.
    kind: &'static str,
    #[schema(value_type = AlertSeverity)]
    severity: &'static str,
    /// What was measured then.
    value: f64,
    /// Why it became critical: it is `worse`, or it is `lasting` and nobody has acknowledged it. `null` of other kinds.
    #[schema(required = true)]
    why: Option<&'static str>,
    /// In a line, for people.
    text: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `Severity` is written as")]
pub(super) enum AlertSeverity {
    Warning,
    Critical,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what a state is written as, and read from")]
pub(super) enum AlertState {
    Active,
    Resolved,
}

/// That nothing is told for a while, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertSilence, example = json!({
    "by": "olga", "reason": "a load test", "from": "2026-11-22T10:00:00Z", "until": "2026-11-22T12:00:00Z",
}))]
pub(super) struct SilenceView {
    by: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

impl AlertView {
    /// `silenced`: until when its rule is.
    pub(in crate::routes::platform) fn new(alert: Alert, silenced: Option<OffsetDateTime>) -> Self {
        let incident = alert.incident;
        let is_active = alert.resolved.is_none();
        Self {
            id: alert.id.as_uuid(),
            rule: alert.rule,
            metric: alert.metric.map(Metric::as_str),
            state: if is_active { "active" } else { "resolved" },
            severity: incident.severity.as_str(),
            since: incident.since,
            opened_at: incident.opened,
            resolved_at: alert.resolved,
            value: incident.latest,
            worst: incident.worst,
            is_flapping: incident.is_flapping,
            told: incident.told.map(|told| ToldView {
                severity: told.severity.as_str(),
                since: told.since,
            }),
            acknowledged_at: incident.acknowledged,
            acknowledged_by: alert.acknowledged_by,
            silenced_until: silenced.filter(|_| is_active),
        }
    }

    pub(super) fn of(alert: Alert, standings: &BTreeMap<String, Standing>, now: OffsetDateTime) -> Self {
        let standing = standings.get(&alert.rule);
        let silenced = standing
            .and_then(|standing| in_force(standing, now))
            .map(Silence::until);
        Self::new(alert, silenced)
    }
}

/// The silence that counts now, if one does.
pub(super) fn in_force(standing: &Standing, now: OffsetDateTime) -> Option<&Silence> {
    standing.silence.as_ref().filter(|silence| silence.covers(now))
}

impl NoticeView {
    pub(super) fn new(notice: &AlertNotice, alert: &Alert) -> Self {
        Self {
            id: notice.id,
            at: notice.at,
            kind: notice.kind.as_str(),
            severity: Severity::as_str(notice.severity),
            value: notice.value,
            why: notice.why.map(Escalation::as_str),
            text: notice.text(alert),
        }
    }
}

impl From<&Silence> for SilenceView {
    fn from(silence: &Silence) -> Self {
        Self {
            by: silence.by().to_owned(),
            reason: silence.reason().to_owned(),
            from: silence.from(),
            until: silence.until(),
        }
    }
}
