use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::identity::{self, SignUp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::session::{SessionView, hand_out};
use crate::Services;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::text;

/// A company and the person who signs it up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = SignUp, example = json!({
    "tenantName": "Acme Insurance", "name": "Ann Lee", "email": "ann@example.com",
    "password": "correct horse battery staple",
}))]
struct SignUpBody {
    /// What the company is called; need not be unique.
    #[schema(schema_with = text::line::<200>)]
    tenant_name: String,
    /// What the person is called.
    #[schema(schema_with = text::line::<200>)]
    name: String,
    #[schema(schema_with = text::email)]
    email: String,
    /// 10 to 128 characters, at least 4 different ones.
    #[schema(schema_with = text::password)]
    password: String,
}

/// Sign up a company.
///
/// Creates the tenant and its owner together, and logs the owner in. Repeated, it signs up another company of that name.
#[utoipa::path(
    tag = "auth",
    operation_id = "signUp",
    request_body = SignUpBody,
    responses((status = 201, description = "The tenant, its owner, and the owner's tokens.", body = SessionView)),
)]
#[post("/auth/signup")]
pub(super) async fn sign_up(
    services: web::Data<Services>,
    body: JsonBody<SignUpBody>,
) -> Result<HttpResponse, Problem> {
    let SignUpBody {
        tenant_name,
        name,
        email,
        password,
    } = body.value;
    let cmd = SignUp::parse(&tenant_name, &name, &email, password)?;
    let session = identity::sign_up(&*services.system, &*services.hasher, services.issuer(), cmd).await?;
    Ok(hand_out(StatusCode::CREATED, &SessionView::from(session)))
}
