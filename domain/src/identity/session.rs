//! Opening a session: what sign-up, login and an accepted invitation end in.

use time::Duration;

use super::{
    AccessClaims, AccessTokens, Revocation, SecretKind, Secrets, Session, SessionId, TenantId, Tokens, User,
};
use crate::Id;
use crate::access::{Actor, SystemScope};
use crate::events::{Aggregate, Recorded};
use crate::store::{StoreError, SystemUnitOfWork};

/// What it takes to hand out tokens.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    pub access: &'a dyn AccessTokens,
    pub secrets: &'a dyn Secrets,
    /// How long a session lives from its login.
    pub session_lifetime: Duration,
    /// For how long a refresh token that was traded can be traded again.
    pub refresh_leeway: Duration,
}

#[expect(
    clippy::disallowed_methods,
    reason = "no tenant is known before somebody has proved to be in it"
)]
pub(super) fn identity_scope() -> SystemScope {
    SystemScope::new("identity")
}

pub(super) async fn open_session(
    uow: &mut dyn SystemUnitOfWork,
    issuer: Issuer<'_>,
    tenant: TenantId,
    user: &User,
) -> Result<Tokens, StoreError> {
    let session = Session {
        id: Id::from_uuid(uow.next_id()),
        user: user.id,
        created_at: uow.now(),
        expires_at: uow.now() + issuer.session_lifetime,
        revoked_at: None,
    };
    let refresh_token = issuer.secrets.make(SecretKind::RefreshToken, Some(tenant), None);
    let hash = issuer.secrets.hash(refresh_token.expose());
    uow.accounts().insert_session(tenant, &session, &hash).await?;
    uow.record(
        tenant,
        Recorded::new(
            "session_started",
            Aggregate::Session,
            session.id.as_uuid(),
            Actor::User(user.id),
        ),
    );
    let access_token = issuer.access.issue(&AccessClaims {
        tenant,
        user: user.id,
        session: session.id,
        role: user.role,
        issued_at: uow.now(),
        expires_at: uow.now() + issuer.access.lifetime(),
    });
    Ok(Tokens {
        access_token,
        refresh_token,
        expires_in: issuer.access.lifetime(),
    })
}

pub(super) async fn end_session(
    uow: &mut dyn SystemUnitOfWork,
    tenant: TenantId,
    session: SessionId,
    actor: Actor,
    reason: Revocation,
) -> Result<(), StoreError> {
    uow.accounts().revoke_session(tenant, session, reason).await?;
    uow.record(
        tenant,
        Recorded::new("session_ended", Aggregate::Session, session.as_uuid(), actor)
            .after(&serde_json::json!({ "reason": reason.as_str() })),
    );
    Ok(())
}
