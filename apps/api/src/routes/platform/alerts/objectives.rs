use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, put, web};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::alerts::{
    self, KeptObjective, NoSuchRule, Objective, Promise, Requests, RuleError, Standing,
};
use fairlead_domain::store::{StoreError, SystemUnitOfWork};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::make_rule::changed;
use super::rule_view::state;
use super::view::{SilenceView, in_force};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::units::milliseconds;

/// How many requests are to be good.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ObjectiveChange, example = json!({"target": 0.995, "enabled": true}))]
struct ObjectiveBody {
    /// Which part of requests is to be good.
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    target: f64,
    /// Whether it is watched; `true`, unless given.
    #[serde(default)]
    enabled: Option<bool>,
}

/// Objectives, by their names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Objectives)]
struct ObjectivesView {
    items: Vec<ObjectiveView>,
}

/// Which part of requests is to be good over thirty days, and how fast what may be bad of them is spent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Objective, example = json!({
    "name": "latency-100ms", "rule": "burn-latency-100ms", "goodWithinMs": 100.0, "target": 0.95, "enabled": true,
    "changedBy": null, "changedAt": null, "state": "well", "budgetLeft": 0.81,
    "burns": [{
        "severity": "critical", "longSeconds": 3600, "shortSeconds": 300, "threshold": 14.4, "long": 0.4, "short": 0.1,
    }],
    "readAt": "2026-11-22T10:00:00Z", "silence": null,
}))]
struct ObjectiveView {
    name: String,
    /// By which its alerts are known.
    rule: String,
    /// A request is good that was answered within this time; `null`: one that was answered with no status from 500.
    #[schema(required = true)]
    good_within_ms: Option<f64>,
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    target: f64,
    enabled: bool,
    /// `null`: it is as it came.
    #[schema(required = true)]
    changed_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    changed_at: Option<OffsetDateTime>,
    /// `well`; `alert`; `not-measured`; or `off`.
    state: &'static str,
    /// Which part is left of what may be bad; less than 0 when there was more. `null`: nothing was asked.
    #[schema(required = true)]
    budget_left: Option<f64>,
    /// What there is an alert of: both windows must be over the threshold.
    burns: Vec<BurnView>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    read_at: Option<OffsetDateTime>,
    #[schema(required = true)]
    silence: Option<SilenceView>,
}

/// By how many times the budget is spent faster than it allows, over two windows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ObjectiveBurn)]
struct BurnView {
    #[schema(value_type = super::view::AlertSeverity)]
    severity: &'static str,
    long_seconds: i64,
    short_seconds: i64,
    threshold: f64,
    /// `null`: nothing was asked within the window.
    #[schema(required = true)]
    long: Option<f64>,
    #[schema(required = true)]
    short: Option<f64>,
}

impl ObjectiveView {
    fn new(
        kept: KeptObjective,
        requests: &[Requests],
        standing: Option<&Standing>,
        now: OffsetDateTime,
    ) -> Self {
        let objective = kept.objective;
        let burning = objective.judge(requests);
        let burns = burning.burns.into_iter().map(|(alert, long, short)| BurnView {
            severity: alert.severity.as_str(),
            long_seconds: alert.long.whole_seconds(),
            short_seconds: alert.short.whole_seconds(),
            threshold: alert.burn,
            long,
            short,
        });
        let (changed_by, changed_at) = kept.changed.map(|changed| (changed.by, changed.at)).unzip();
        Self {
            rule: objective.key(),
            good_within_ms: match objective.promise {
                Promise::Answered => None,
                Promise::Within(bound) => Some(milliseconds(bound)),
            },
            target: objective.target(),
            enabled: kept.is_enabled,
            changed_by,
            changed_at,
            state: state(kept.is_enabled, standing),
            budget_left: burning.budget_left,
            burns: burns.collect(),
            read_at: standing.and_then(|standing| standing.read_at),
            silence: standing
                .and_then(|standing| in_force(standing, now))
                .map(SilenceView::from),
            name: objective.name,
        }
    }
}

async fn all(uow: &mut dyn SystemUnitOfWork, now: OffsetDateTime) -> Result<Vec<ObjectiveView>, StoreError> {
    let objectives = uow.alerts().objectives().await?.all;
    let requests: BTreeMap<_, _> = uow.alerts().requests(&Objective::windows()).await?;
    let standings = uow.alerts().standings().await?;
    let views = objectives.into_iter().map(|kept| {
        let of = requests.get(&kept.objective.name);
        let standing = standings.get(&kept.objective.key());
        ObjectiveView::new(kept, of.map(Vec::as_slice).unwrap_or_default(), standing, now)
    });
    Ok(views.collect())
}

/// List what is promised of requests, and how much of what may be bad is left.
///
/// Of all processes, over thirty days. Alerts come of how fast that is spent, over two windows at a time.
#[utoipa::path(
    tag = "platform",
    operation_id = "listObjectives",
    responses((status = 200, description = "By their names.", body = ObjectivesView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/alerts/objectives")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let items = all(&mut *uow, services.clock.now()).await?;
    uow.commit().await?;
    Ok(HttpResponse::Ok().json(ObjectivesView { items }))
}

/// Promise more of requests, or less, or have that watched no more.
#[utoipa::path(
    tag = "platform",
    operation_id = "changeObjective",
    params(("name" = String, Path, description = "The objective's name.")),
    request_body = ObjectiveBody,
    responses(
        (status = 200, description = "The objective.", body = ObjectiveView),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[put("/performance/alerts/objectives/{name}")]
pub(super) async fn change(
    services: web::Data<Services>,
    operator: Operator,
    name: web::Path<String>,
    body: JsonBody<ObjectiveBody>,
) -> Result<HttpResponse, Problem> {
    let ObjectiveBody { target, enabled } = body.value;
    let original = KeptObjective::find_original(&name).ok_or(NoSuchRule)?;
    let (name, promise) = (original.objective.name, original.objective.promise);
    let objective = Objective::new(name.clone(), promise, target)
        .map_err(|error| Invalid::field("target", error.to_string()))?;
    let kept = KeptObjective {
        objective,
        is_enabled: enabled.unwrap_or(true),
        changed: Some(changed(&services, &operator)),
    };
    let mut uow = super::begin(&services).await?;
    alerts::change_objective(&mut *uow, operator.0.operator(), &kept).await?;
    // Read here: what is changed is answered, whatever becomes of the database behind it.
    let all = all(&mut *uow, services.clock.now()).await?;
    uow.commit().await?;
    tracing::info!(
        operator = operator.0.operator(),
        objective = name.as_str(),
        target,
        "an objective was changed"
    );
    let found = all.into_iter().find(|view| view.name == name);
    Ok(HttpResponse::Ok().json(found.ok_or(NoSuchRule)?))
}
