use actix_web::{HttpResponse, get, web};
use fairlead_domain::Id;
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use fairlead_domain::performance::alerts::{AlertId, RuleDraft, Severity, WhichAlerts};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::{AlertSeverity, AlertState, AlertView};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};

/// What a [`ListQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct ListParameters {
    #[param(nullable = false, inline)]
    state: Option<AlertState>,
    /// Alerts of this rule or objective.
    #[param(min_length = 1, max_length = 64, nullable = false)]
    rule: Option<String>,
    #[param(nullable = false, inline)]
    severity: Option<AlertSeverity>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<Uuid>,
}

#[derive(Debug)]
struct ListQuery {
    which: WhichAlerts,
    before: Option<AlertId>,
    limit: u32,
}

impl FromQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let is_active = |text: &str| match text {
            "active" => Some(true),
            "resolved" => Some(false),
            _ => None,
        };
        Self {
            which: WhichAlerts {
                is_active: query.choice("state", is_active, ["active", "resolved"]),
                rule: query.text("rule", RuleDraft::LONGEST_KEY),
                severity: query.choice("severity", Severity::parse, ["warning", "critical"]),
            },
            before: query.uuid("cursor").map(Id::from_uuid),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// Alerts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alerts)]
struct AlertsView {
    items: Vec<AlertView>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<Uuid>,
    has_more: bool,
}

/// List alerts: what is wrong, and what was.
///
/// Of all processes. Those that are over are kept for 400 days.
#[utoipa::path(
    tag = "platform",
    operation_id = "listAlerts",
    params(ListParameters),
    responses((status = 200, description = "The newest first.", body = AlertsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/alerts")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let ListQuery { which, before, limit } = query.0;
    let mut uow = super::begin(&services).await?;
    let mut found = uow.alerts().list(&which, before, limit + 1).await?;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().map(|alert| alert.id.as_uuid());
    let now = services.clock.now();
    let view = |alert| AlertView::of(alert, &standings, now);
    Ok(HttpResponse::Ok().json(AlertsView {
        items: found.into_iter().map(view).collect(),
        next_cursor: last.filter(|_| has_more),
        has_more,
    }))
}
