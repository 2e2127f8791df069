use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::ManageTenant;
use fairlead_domain::identity::{self, RenameTenant, RenameTenantError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::TenantView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// What is to change about the tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = TenantPatch, example = json!({"name": "Acme Insurance Group"}))]
struct TenantPatchBody {
    #[schema(schema_with = text::line::<200>)]
    name: String,
}

/// Rename the tenant.
///
/// Its slug stays.
#[utoipa::path(
    tag = "tenant",
    operation_id = "updateTenant",
    params(IfMatch, IdempotencyKey),
    request_body = TenantPatchBody,
    responses(
        (status = 200, description = "The tenant as it is now.", body = TenantView),
        Problems<RenameTenantError>,
    ),
    extensions(("x-permit" = json!("ManageTenant"))),
)]
#[patch("/tenant")]
pub(super) async fn rename(
    services: web::Data<Services>,
    permit: Permitted<ManageTenant>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<TenantPatchBody>,
) -> Result<HttpResponse, Problem> {
    let cmd = RenameTenant::parse(&body.value.name)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let tenant = identity::rename_tenant(&mut *uow, &permit, expected.0, cmd).await?;

    let tag = EntityTag::of(tenant.revision());
    uow.answer(WriteAnswer::changed(&tag, &TenantView::from(tenant)))
        .await
}
