use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ExportLeads;
use fairlead_domain::leads::export::{self, ExportRequest};
use fairlead_domain::operations::NoRoom;

use super::{ExportParameters, ExportQuery};
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::routes::leads::query::LeadFilterQuery;
use crate::routes::operations::{self, OperationView};
use crate::spec::Problems;

/// Have leads written to a file in the background.
///
/// The answer is an operation that can be watched and cancelled, and that goes on when a process ends. When it is
/// completed its file, which has the lines of `GET /leads/export`, is fetched from `GET /operations/{id}/result` for a
/// day. How many leads there are is counted when it begins, and is an estimate until it is completed. A lead that is
/// changed meanwhile is in the file if it matches when its part is written.
#[utoipa::path(
    tag = "leads",
    operation_id = "beginLeadExport",
    params(ExportParameters, LeadFilterQuery, IdempotencyKey),
    responses(
        (status = 202, description = "The leads will be written by this operation.", body = OperationView,
            headers(("Location" = String, description = "The operation."))),
        Problems<NoRoom>,
    ),
    extensions(("x-permit" = json!("ExportLeads"))),
)]
#[post("/leads/export")]
pub(in super::super) async fn begin(
    services: web::Data<Services>,
    permit: Permitted<ExportLeads>,
    key: IdempotencyKey,
    query: QueryOf<ExportQuery>,
) -> Result<HttpResponse, Problem> {
    let ExportQuery { format, filter } = query.0;
    let wanted = ExportRequest {
        format,
        filter: filter.0,
    };
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let operation = export::begin(&mut *uow, &permit, &wanted).await?;
    let view = OperationView::from(&operation);
    uow.answer(WriteAnswer::accepted(operations::COLLECTION, &view))
        .await
}
