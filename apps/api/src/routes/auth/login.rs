use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, post, web};
use fairlead_domain::identity::{self, LoginError, LoginRequest, Password, Secret};
use fairlead_domain::invalid::{Faults, Invalid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::session::{SessionView, hand_out};
use crate::Services;
use crate::json::JsonBody;
use crate::middleware::client_address;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

const MAX_EMAIL: usize = 254;
const MAX_SLUG: usize = 100;

/// Somebody who says who it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = Login, example = json!({"email": "ann@example.com", "password": "correct horse battery staple"}))]
struct LoginBody {
    #[schema(schema_with = text::opaque::<254>)]
    email: String,
    #[schema(schema_with = text::opaque::<128>)]
    password: String,
    /// The slug of the tenant; without it, the oldest account that the password opens is meant.
    #[schema(schema_with = text::opaque_or_null::<100>, required = false)]
    tenant: Option<String>,
}

impl LoginBody {
    /// Refuses what no account can have, so that its length costs nothing.
    fn check(&self) -> Result<(), Invalid> {
        let mut faults = Faults::default();
        let mut bounded = |field: &'static str, text: &str, max: usize| {
            if !(1..=max).contains(&text.chars().count()) {
                faults.add(field, format!("must have 1 to {max} characters"));
            }
        };
        bounded("email", &self.email, MAX_EMAIL);
        bounded("password", &self.password, Password::MAX);
        if let Some(tenant) = &self.tenant {
            bounded("tenant", tenant, MAX_SLUG);
        }
        faults.finish()
    }
}

/// Log in.
///
/// The answer is the same whether the address is unknown or the password wrong. Repeated failures lock the account and
/// the client's address out for a while.
#[utoipa::path(
    tag = "auth",
    operation_id = "login",
    request_body = LoginBody,
    responses(
        (status = 200, description = "The user, its tenant and its tokens.", body = SessionView),
        Problems<LoginError>,
    ),
)]
#[post("/auth/login")]
pub(super) async fn login(
    request: HttpRequest,
    services: web::Data<Services>,
    body: JsonBody<LoginBody>,
) -> Result<HttpResponse, Problem> {
    body.value.check()?;
    let LoginBody {
        email,
        password,
        tenant,
    } = body.value;
    let address = client_address(&request, &services.settings);
    let login = LoginRequest {
        email,
        password: Secret::new(password),
        tenant,
        address,
    };
    let (system, hasher) = (&*services.system, &*services.hasher);
    let session = identity::login(system, hasher, services.issuer(), services.settings.login, login)
        .await
        .map_err(|error| Problem::from_login(error, services.clock.now()))?;
    Ok(hand_out(StatusCode::OK, &SessionView::from(session)))
}
