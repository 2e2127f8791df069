//! Who asks: established once per request by [`authenticate`], told to handlers by the extractors.
//!
//! Extractors read what is established already, so as a handler's first argument they fail before a body is read.

mod verified;

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderName};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use fairlead_domain::access::{Action, Caller, OperatorPermit, Permit};
use fairlead_domain::identity::AuthenticateError;

pub use verified::VerifiedCredentials;

use crate::problem::{Kind, Problem};
use crate::state::Services;

/// The header that carries an API key.
pub const TENANT_KEY: &str = "x-tenant-key";
const KEY_HEADER: HeaderName = HeaderName::from_static(TENANT_KEY);

/// The operations under `/api/v1` that need no credential. None is looked at there, so that one that has expired does
/// not stand in the way; the specification takes from this list which operations are without security.
pub(crate) const PUBLIC: &[&str] = &[
    "/api/v1/auth/accept-invitation",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/signup",
    "/api/v1/health",
];

/// What the credential of a request turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Presented {
    Nothing,
    Caller(Caller),
    Operator(OperatorPermit),
    Refused(Problem),
}

/// Establishes who asks, for operations under `/api/v1` that need to know.
pub(crate) async fn authenticate(request: &HttpRequest, services: &Services) -> Option<Presented> {
    let path = request.path();
    if !path.starts_with("/api/v1/") || PUBLIC.contains(&path) {
        return None;
    }
    let established = establish(request, services).await;
    Some(established.unwrap_or_else(Presented::Refused))
}

/// Whether the caller of a request that goes on may still do `A`. While that cannot be found out, it may.
pub(crate) async fn still_may<A: Action>(request: &HttpRequest, services: &Services) -> bool {
    match establish(request, services).await {
        Ok(Presented::Caller(caller)) => caller.permit::<A>().is_ok(),
        Ok(_) => false,
        Err(problem) => problem.kind().status().is_server_error(),
    }
}

async fn establish(request: &HttpRequest, services: &Services) -> Result<Presented, Problem> {
    let verified = &services.verified;
    match (
        only(request, &header::AUTHORIZATION)?,
        only(request, &KEY_HEADER)?,
    ) {
        (None, None) => Ok(Presented::Nothing),
        (Some(_), Some(_)) => Err(Problem::client(
            Kind::MalformedRequest,
            "Authorization and x-tenant-key must not stand together: which one counts?",
        )),
        (None, Some(key)) => Ok(Presented::Caller(verified.by_key(services, key).await?)),
        (Some(authorization), None) => {
            let token = bearer(authorization)?;
            if token.starts_with("op_") {
                let permit = verified.by_operator_secret(services, token).await?;
                return Ok(Presented::Operator(permit));
            }
            Ok(Presented::Caller(verified.by_token(services, token)?))
        }
    }
}

/// The value of a header that may be given once.
fn only<'a>(request: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::client(
            Kind::MalformedRequest,
            format!("{name} must be given only once"),
        ));
    }
    // Not `to_str`, which looks at each byte by itself: what stands here is checked anyway.
    str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| not_authenticated("the credential has characters that none of ours has"))
}

fn bearer(authorization: &str) -> Result<&str, Problem> {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(not_authenticated(
            "Authorization must be of the form: Bearer <access token>",
        )),
    }
}

fn not_authenticated(detail: &'static str) -> Problem {
    Problem::client(Kind::NotAuthenticated, detail)
}

fn presented(request: &HttpRequest) -> Result<Presented, Problem> {
    match request.extensions().get::<Presented>() {
        Some(Presented::Refused(problem)) => Err(problem.clone()),
        Some(presented) => Ok(presented.clone()),
        None => Ok(Presented::Nothing),
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    match presented(request)? {
        Presented::Caller(caller) => Ok(caller),
        Presented::Operator(_) => Err(Problem::client(
            Kind::NotPermitted,
            "operators see the platform, not the rows of tenants",
        )),
        Presented::Nothing | Presented::Refused(_) => Err(not_authenticated("the request has no credential")),
    }
}

/// Any caller that has proved who it is.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).map(Self))
    }
}

/// A caller that may do `A`.
#[derive(Debug)]
pub struct Permitted<A>(Permit<A>);

impl<A: Action + 'static> FromRequest for Permitted<A> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| Ok(Self(caller.permit::<A>()?))))
    }
}

impl<A> Permitted<A> {
    /// The permit itself, for work that outlives the handler.
    pub fn into_inner(self) -> Permit<A> {
        self.0
    }
}

impl<A> Deref for Permitted<A> {
    type Target = Permit<A>;

    fn deref(&self) -> &Permit<A> {
        &self.0
    }
}

/// An operator of the platform.
#[derive(Debug)]
pub struct Operator(pub OperatorPermit);

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match presented(request) {
            Ok(Presented::Operator(permit)) => Ok(Self(permit)),
            Ok(Presented::Caller(_)) => Err(Problem::client(
                Kind::NotPermitted,
                "this operation is for operators of the platform alone",
            )),
            Ok(Presented::Nothing | Presented::Refused(_)) => {
                Err(not_authenticated("the request has no credential"))
            }
            Err(problem) => Err(problem),
        })
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Refused | AuthenticateError::Expired | AuthenticateError::SessionEnded => {
                Self::client(Kind::NotAuthenticated, error.to_string())
            }
            AuthenticateError::Store(error) => error.into(),
        }
    }
}
