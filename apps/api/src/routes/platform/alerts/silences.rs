use actix_web::{HttpResponse, delete, post, web};
use fairlead_domain::clock;
use fairlead_domain::invalid::{Faults, Invalid};
use fairlead_domain::performance::alerts::{self, RuleError, Silence, WrongSilence};
use fairlead_domain::store::SystemUnitOfWork;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::view::SilenceView;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::{moment, text};

/// Why nothing is to be told, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAlertSilence, example = json!({"reason": "a load test", "until": "2026-11-22T12:00:00Z"}))]
pub(super) struct SilenceBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
    /// When it ends by itself: within 30 days.
    #[serde(deserialize_with = "moment::required")]
    until: OffsetDateTime,
}

impl SilenceBody {
    pub(super) fn parse(self, operator: &str, now: OffsetDateTime) -> Result<Silence, Invalid> {
        let mut faults = Faults::default();
        let until = faults.keep("until", clock::stored(self.until));
        faults.finish()?;
        let until = until.expect("there was no fault");
        Silence::new(operator, &self.reason, now, until).map_err(|error| match error {
            WrongSilence::Reason => Invalid::field("reason", error.to_string()),
            WrongSilence::Time => {
                let now = moment::shown(now);
                Invalid::field("until", format!("{error}; it is {now} now"))
            }
        })
    }
}

/// Have nothing told of a rule or an objective for a while.
///
/// It is watched all the same, and told afterwards if it is still so. That something is over which was told before is told
/// in a silence as well. A silence takes the place of the one before it.
#[utoipa::path(
    tag = "platform",
    operation_id = "silenceAlertRule",
    params(("key" = String, Path, description = "The key of the rule, or of the objective with `burn-` before its name.")),
    request_body = SilenceBody,
    responses(
        (status = 200, description = "How it is silenced.", body = SilenceView),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/alerts/rules/{key}/silence")]
pub(super) async fn silence_rule(
    services: web::Data<Services>,
    operator: Operator,
    key: web::Path<String>,
    body: JsonBody<SilenceBody>,
) -> Result<HttpResponse, Problem> {
    let silence = body.value.parse(operator.0.operator(), services.clock.now())?;
    let uow = super::begin(&services).await?;
    Ok(HttpResponse::Ok().json(put(uow, &key, silence).await?))
}

/// Silences what a key names, commits that, and says so in the log.
pub(super) async fn put(
    mut uow: Box<dyn SystemUnitOfWork>,
    key: &str,
    silence: Silence,
) -> Result<SilenceView, RuleError> {
    alerts::silence(&mut *uow, key, silence.clone()).await?;
    uow.commit().await?;
    tracing::warn!(
        operator = silence.by(),
        rule = key,
        reason = silence.reason(),
        until = %silence.until(),
        "alerts were silenced"
    );
    Ok(SilenceView::from(&silence))
}

/// Have everything told again of a rule or an objective that was silenced.
#[utoipa::path(
    tag = "platform",
    operation_id = "endAlertSilence",
    params(("key" = String, Path, description = "The key of the rule, or of the objective with `burn-` before its name.")),
    responses(
        (status = 204, description = "It is told."),
        Problems<RuleError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/alerts/rules/{key}/silence")]
pub(super) async fn end_silence(
    services: web::Data<Services>,
    operator: Operator,
    key: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    alerts::end_silence(&mut *uow, operator.0.operator(), &key).await?;
    uow.commit().await?;
    tracing::info!(
        operator = operator.0.operator(),
        rule = key.as_str(),
        "a silence of alerts was ended"
    );
    Ok(HttpResponse::NoContent().finish())
}
