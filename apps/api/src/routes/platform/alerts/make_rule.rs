use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, post, put, web};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::alerts::{
    self, Changed, KeptRule, MakeRuleError, Metric, NoSuchRule, RuleDraft, RuleError, Timing,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::rule_body::TimingBody;
use super::rule_view::{AlertMetric, RuleView};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;

/// What is to be watched, and when somebody is to be told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewAlertRule, example = json!({
    "key": "queue-depth-at-night", "metric": "queueDepth", "warning": 200.0, "critical": null,
    "timing": {"holdSeconds": 120},
}))]
struct RuleBody {
    /// Names it for good: lower-case letters, digits and `-`.
    #[schema(pattern = "^(?!burn-)[a-z][a-z0-9-]{0,63}$")]
    key: String,
    #[schema(value_type = AlertMetric)]
    metric: String,
    /// From when on it is bad; one of both must be given.
    #[serde(default)]
    #[schema(minimum = 0)]
    warning: Option<f64>,
    /// From when on it is critical: worse than the other.
    #[serde(default)]
    #[schema(minimum = 0)]
    critical: Option<f64>,
    #[serde(default)]
    timing: Option<TimingBody>,
    /// Whether it is watched; `true`, unless given.
    #[serde(default)]
    enabled: Option<bool>,
}

/// When somebody is to be told from now on. What is not given is as usual, and not as it was.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = AlertRuleChange, example = json!({
    "warning": 300.0, "critical": 800.0, "timing": {"holdSeconds": 120}, "enabled": true,
}))]
struct ChangeBody {
    /// From when on it is bad; one of both must be given.
    #[serde(default)]
    #[schema(minimum = 0)]
    warning: Option<f64>,
    /// From when on it is critical: worse than the other.
    #[serde(default)]
    #[schema(minimum = 0)]
    critical: Option<f64>,
    #[serde(default)]
    timing: Option<TimingBody>,
    /// Whether it is watched; `true`, unless given.
    #[serde(default)]
    enabled: Option<bool>,
}

impl ChangeBody {
    /// A rule that watches a metric, as an operator wants it.
    fn parse(
        self,
        key: String,
        metric: Metric,
        services: &Services,
        operator: &Operator,
    ) -> Result<KeptRule, Invalid> {
        let draft = RuleDraft {
            key,
            metric,
            warning: self.warning,
            critical: self.critical,
            timing: self.timing.map_or_else(Timing::usual, Timing::from),
        };
        Ok(KeptRule {
            rule: draft.parse()?,
            is_enabled: self.enabled.unwrap_or(true),
            changed: Some(changed(services, operator)),
        })
    }
}

/// Says that an operator changes something now.
pub(super) fn changed(services: &Services, operator: &Operator) -> Changed {
    Changed {
        by: operator.0.operator().to_owned(),
        at: services.clock.now(),
    }
}

/// Make a rule that alerts come of.
#[utoipa::path(
    tag = "platform",
    operation_id = "createAlertRule",
    request_body = RuleBody,
    responses(
        (status = 201, description = "Made; what it watches is judged by it from the next look on.", body = RuleView),
        Problems<MakeRuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/alerts/rules")]
pub(super) async fn make(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<RuleBody>,
) -> Result<HttpResponse, Problem> {
    let body = body.value;
    let metric = Metric::parse(&body.metric).ok_or_else(|| {
        let all = Metric::ALL.map(Metric::as_str).join(", ");
        Invalid::field("metric", format!("must be one of {all}"))
    })?;
    let rest = ChangeBody {
        warning: body.warning,
        critical: body.critical,
        timing: body.timing,
        enabled: body.enabled,
    };
    let kept = rest.parse(body.key, metric, &services, &operator)?;
    let mut uow = super::begin(&services).await?;
    alerts::make_rule(&mut *uow, operator.0.operator(), &kept).await?;
    // Read here: what is made is answered, whatever becomes of the database behind it.
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let key = &kept.rule.key;
    tracing::info!(
        operator = operator.0.operator(),
        rule = key.as_str(),
        "an alert rule was made"
    );
    let location = format!("/api/v1/performance/alerts/rules/{key}");
    let standing = standings.get(key);
    let view = RuleView::new(kept, standing, services.clock.now());
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .json(view))
}

/// Change a rule that alerts come of.
///
/// What is wrong now is judged by it from the next look on. One that is switched off has no alert any more.
#[utoipa::path(
    tag = "platform",
    operation_id = "changeAlertRule",
    params(("key" = String, Path, description = "The rule's key.")),
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The rule.", body = RuleView),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[put("/performance/alerts/rules/{key}")]
pub(super) async fn change(
    services: web::Data<Services>,
    operator: Operator,
    key: web::Path<String>,
    body: JsonBody<ChangeBody>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let rules = uow.alerts().rules().await?.all;
    let mut all = rules.into_iter();
    let known = all.find(|kept| kept.rule.key == *key).ok_or(NoSuchRule)?;
    let (key, metric) = (known.rule.key, known.rule.metric);
    let kept = body.value.parse(key, metric, &services, &operator)?;
    alerts::change_rule(&mut *uow, operator.0.operator(), &kept).await?;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let key = &kept.rule.key;
    tracing::info!(
        operator = operator.0.operator(),
        rule = key.as_str(),
        "an alert rule was changed"
    );
    let standing = standings.get(key);
    Ok(HttpResponse::Ok().json(RuleView::new(kept, standing, services.clock.now())))
}
