use actix_web::{HttpResponse, delete, get, web};
use fairlead_domain::performance::alerts::{self, NoSuchRule, RuleError};
use serde::Serialize;
use utoipa::ToSchema;

use super::rule_view::RuleView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;

/// Rules, by their keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertRules)]
struct RulesView {
    items: Vec<RuleView>,
}

/// List the rules that alerts come of, each with where it stands.
#[utoipa::path(
    tag = "platform",
    operation_id = "listAlertRules",
    responses((status = 200, description = "By their keys.", body = RulesView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/alerts/rules")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let items = all(&services).await?;
    Ok(HttpResponse::Ok().json(RulesView { items }))
}

async fn all(services: &Services) -> Result<Vec<RuleView>, Problem> {
    let mut uow = super::begin(services).await?;
    let rules = uow.alerts().rules().await?.all;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let now = services.clock.now();
    let views = rules.into_iter().map(|kept| {
        let standing = standings.get(&kept.rule.key);
        RuleView::new(kept, standing, now)
    });
    Ok(views.collect())
}

/// Get a rule, with where it stands.
#[utoipa::path(
    tag = "platform",
    operation_id = "getAlertRule",
    params(("key" = String, Path, description = "The rule's key.")),
    responses(
        (status = 200, description = "The rule.", body = RuleView),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/alerts/rules/{key}")]
pub(super) async fn get(
    services: web::Data<Services>,
    _operator: Operator,
    key: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(find(&services, &key).await?))
}

async fn find(services: &Services, key: &str) -> Result<RuleView, Problem> {
    let mut uow = super::begin(services).await?;
    let rules = uow.alerts().rules().await?.all;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let found = rules.into_iter().find(|kept| kept.rule.key == key);
    let kept = found.ok_or(NoSuchRule)?;
    Ok(RuleView::new(kept, standings.get(key), services.clock.now()))
}

/// Delete a rule.
///
/// What is wrong by it is over with the next look. One that comes with the platform is as it came; switch it off by
/// `enabled` instead.
#[utoipa::path(
    tag = "platform",
    operation_id = "deleteAlertRule",
    params(("key" = String, Path, description = "The rule's key.")),
    responses(
        (status = 204, description = "It is watched no more, or as it came."),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/alerts/rules/{key}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    operator: Operator,
    key: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    alerts::delete_rule(&mut *uow, operator.0.operator(), &key).await?;
    uow.commit().await?;
    tracing::info!(
        operator = operator.0.operator(),
        rule = key.as_str(),
        "an alert rule was deleted"
    );
    Ok(HttpResponse::NoContent().finish())
}
