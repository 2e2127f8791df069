use actix_web::{HttpResponse, delete, web};
use fairlead_domain::cache::Invalidate;

use super::NoCache;
use super::invalidate::drop_answers;
use super::view::InvalidatedView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;

/// Drop every answer of every tenant.
#[utoipa::path(
    tag = "platform",
    operation_id = "clearCache",
    responses(
        (status = 200, description = "What was dropped.", body = InvalidatedView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/cache/clear")]
pub(super) async fn clear(
    services: web::Data<Services>,
    operator: Operator,
) -> Result<HttpResponse, Problem> {
    drop_answers(
        &services,
        &operator,
        vec![Invalidate::Everything],
        Problem::not_found,
    )
    .await
}
