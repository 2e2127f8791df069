use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use fairlead_domain::access::{Caller, OperatorPermit};

use super::{KEY_HEADER, OPERATOR_SECRET, Presented, not_authenticated};
use crate::problem::{Kind, Problem};
use crate::state::Services;
use crate::upgrade;

/// What comes before an access token among the subprotocols that a client of the socket offers: browsers let it send
/// no header of its own.
const BEARER_PROTOCOL: &str = "bearer.";

/// By what a request says who it is from.
#[derive(Clone, Copy)]
pub(super) enum Credential<'r> {
    Bearer(&'r str),
    Key(&'r str),
}

impl<'r> Credential<'r> {
    pub(super) fn of(request: &'r HttpRequest) -> Result<Option<Self>, Problem> {
        let offered = if upgrade::is_web_socket(request.head()) {
            by_protocol(request)
        } else {
            None
        };
        match (
            only(request, &header::AUTHORIZATION)?,
            only(request, &KEY_HEADER)?,
            offered,
        ) {
            (None, None, offered) => Ok(offered),
            (None, Some(key), None) => Ok(Some(Self::Key(key))),
            (Some(authorization), None, None) => Ok(Some(Self::Bearer(bearer(authorization)?))),
            _ => Err(Problem::client(
                Kind::MalformedRequest,
                "of Authorization, x-tenant-key and a subprotocol with a token only one must be there: which one \
                 counts?",
            )),
        }
    }

    pub(super) async fn establish(self, services: &Services) -> Result<Presented, Problem> {
        let verified = &services.verified;
        match self {
            Self::Key(key) => Ok(Presented::Caller(verified.by_key(services, key).await?)),
            Self::Bearer(token) if token.starts_with(OPERATOR_SECRET) => {
                let permit = verified.by_operator_secret(services, token).await?;
                Ok(Presented::Operator(permit))
            }
            Self::Bearer(token) => Ok(Presented::Caller(verified.by_token(services, token)?)),
        }
    }
}

/// The credential of a caller who stays, so that it can be looked at again.
pub(crate) enum KeptCredential {
    Token(Box<str>),
    Key(Box<str>),
}

impl KeptCredential {
    /// That of a request that was let in by it.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        match Credential::of(request)? {
            Some(Credential::Key(key)) => Ok(Self::Key(key.into())),
            Some(Credential::Bearer(token)) => Ok(Self::Token(token.into())),
            None => Err(not_authenticated("the request has no credential")),
        }
    }

    /// The operator who has it.
    pub(super) async fn operator(&self, services: &Services) -> Result<OperatorPermit, Problem> {
        match self {
            Self::Token(secret) if secret.starts_with(OPERATOR_SECRET) => {
                Ok(services.verified.by_operator_secret(services, secret).await?)
            }
            Self::Token(_) | Self::Key(_) => Err(not_authenticated("this is no operator's secret")),
        }
    }

    /// Who has it.
    pub(crate) async fn caller(&self, services: &Services) -> Result<Caller, Problem> {
        let verified = &services.verified;
        match self {
            Self::Key(key) => Ok(verified.by_key(services, key).await?),
            // Whoever has an operator's secret is in no tenant.
            Self::Token(token) => Ok(verified.by_token(services, token)?),
        }
    }
}

impl fmt::Debug for KeptCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptCredential(…)")
    }
}

/// The value of a header that may be given once.
fn only<'r>(request: &'r HttpRequest, name: &HeaderName) -> Result<Option<&'r str>, Problem> {
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

fn by_protocol(request: &HttpRequest) -> Option<Credential<'_>> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','));
    let token = offered.find_map(|protocol| protocol.trim().strip_prefix(BEARER_PROTOCOL))?;
    Some(Credential::Bearer(token))
}
