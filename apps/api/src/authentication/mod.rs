//! Who asks: established once per request by [`authenticate`], told to handlers by the extractors.
//!
//! Extractors read what is established already, so as a handler's first argument they fail before a body is read.

mod credential;
mod lookups;
mod verified;

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use fairlead_domain::access::{Action, Caller, OperatorPermit, Permit};
use fairlead_domain::identity::AuthenticateError;

use credential::Credential;
pub(crate) use credential::KeptCredential;
pub use verified::VerifiedCredentials;

use crate::problem::{Kind, Problem};
use crate::state::Services;

/// The header that carries an API key.
pub const TENANT_KEY: &str = "x-tenant-key";
const KEY_HEADER: HeaderName = HeaderName::from_static(TENANT_KEY);

/// How the secrets of operators begin.
const OPERATOR_SECRET: &str = "op_";

/// The operations under `/api/v1` that need no credential. None is looked at there, so that one that has expired does
/// not stand in the way; the specification takes from this list which operations are without security.
pub(crate) const PUBLIC: &[&str] = &[
    "/api/v1/auth/accept-invitation",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/signup",
    "/api/v1/billing/webhooks/stripe",
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

/// Whether a request says that it is an operator's; nothing is looked up for that.
pub(crate) fn looks_like_an_operators(request: &HttpRequest) -> bool {
    matches!(Credential::of(request), Ok(Some(Credential::Bearer(token))) if token.starts_with(OPERATOR_SECRET))
}

/// Whether somebody who was let in still may what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    May,
    MayNot,
    /// That cannot be found out just now, and its credential counts unasked no more.
    Unknown,
}

/// Asks whether somebody who was let in still `may`.
pub(crate) async fn still_may(
    credential: &KeptCredential,
    services: &Services,
    may: impl FnOnce(&Caller) -> bool,
) -> Standing {
    match credential.caller(services).await {
        Ok(caller) if may(&caller) => Standing::May,
        Err(problem) if problem.kind().status().is_server_error() => Standing::Unknown,
        Ok(_) | Err(_) => Standing::MayNot,
    }
}

/// Asks whether an operator who was let in still is one.
pub(crate) async fn still_operates(credential: &KeptCredential, services: &Services) -> Standing {
    match credential.operator(services).await {
        Ok(_) => Standing::May,
        Err(problem) if problem.kind().status().is_server_error() => Standing::Unknown,
        Err(_) => Standing::MayNot,
    }
}

async fn establish(request: &HttpRequest, services: &Services) -> Result<Presented, Problem> {
    match Credential::of(request)? {
        Some(credential) => credential.establish(services).await,
        None => Ok(Presented::Nothing),
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
