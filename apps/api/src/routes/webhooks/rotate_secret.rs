use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, RotateSecretError, Webhook};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::WebhookWithSecretView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::whole::Whole;

/// How a secret is rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = SecretRotation, example = json!({"oldSecretSeconds": 3600}))]
struct RotationBody {
    /// For how long events are signed with the present secret, too. 0: not any more, as when others know it.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800, default = 86_400)]
    old_secret_seconds: Option<Whole>,
}

/// Give a webhook another secret.
///
/// For a while what is sent is signed with both, so that its receiver can go over to the new one. One that is older than
/// the present one still counts no longer.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "rotateWebhookSecret",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IfMatch, IdempotencyKey),
    request_body = RotationBody,
    responses(
        (status = 200, description = "The webhook, with its new secret shown this once.", body = WebhookWithSecretView),
        Problems<RotateSecretError>,
    ),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[post("/webhooks/{id}/rotate-secret")]
pub(super) async fn rotate_secret(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    id: PathId<Webhook>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<RotationBody>,
) -> Result<HttpResponse, Problem> {
    let seconds = body.value.old_secret_seconds.map(|Whole(seconds)| seconds);
    let lifetime = webhooks::old_secret_lifetime(seconds)?;

    let secrets = &*services.webhooks.secrets;
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let rotated = webhooks::rotate_secret(&mut *uow, &permit, secrets, id.0, expected.0, lifetime).await?;

    let tag = EntityTag::of(rotated.webhook.revision());
    let answer = WriteAnswer::changed(&tag, &WebhookWithSecretView::from(rotated));
    uow.answer(answer.telling_secret()).await
}
