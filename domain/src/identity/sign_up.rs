use super::session::{Issuer, identity_scope, open_session};
use super::snapshot::{TenantSnapshot, UserSnapshot};
use super::{HasherBusy, Password, PasswordHasher, Tenant, TenantConflict, Tokens, User};
use crate::Id;
use crate::access::{Actor, Role};
use crate::events::{Aggregate, Recorded};
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, SystemStore, SystemUnitOfWork};
use crate::text::{self, Email};

/// A company and the person who signs it up.
#[derive(Debug)]
pub struct SignUp {
    pub tenant_name: String,
    pub name: String,
    /// Lower case.
    pub email: String,
    pub password: Password,
}

impl SignUp {
    pub fn parse(tenant_name: &str, name: &str, email: &str, password: String) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let tenant_name = faults.keep("tenantName", text::line(tenant_name, 200));
        let name = faults.keep("name", text::line(name, 200));
        let email = faults.keep("email", Email::parse(email));
        let password = faults.keep("password", Password::parse(password));
        faults.finish()?;
        match (tenant_name, name, email, password) {
            (Some(tenant_name), Some(name), Some(email), Some(password)) => Ok(Self {
                tenant_name,
                name,
                email: email.normalized(),
                password,
            }),
            _ => unreachable!("a field that is missing is a fault"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    #[error(transparent)]
    Busy(#[from] HasherBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a tenant with its owner, in one transaction, and logs the owner in.
pub async fn sign_up(
    system: &dyn SystemStore,
    hasher: &dyn PasswordHasher,
    issuer: Issuer<'_>,
    cmd: SignUp,
) -> Result<(Tenant, User, Tokens), SignUpError> {
    let password_hash = hasher.hash(&cmd.password).await?;
    let mut uow = system.begin(&identity_scope()).await?;
    let id = uow.next_id();
    let slug = slug(&cmd.tenant_name, id.as_u128());
    let (tenant, owner) = create_tenant(&mut *uow, slug, &cmd, id, &password_hash)
        .await
        .map_err(|conflict| {
            match conflict {
                TenantConflict::Store(error) => error,
                // Forty random bits met twice: the same request will do now.
                TenantConflict::SlugTaken => StoreError::Contended,
            }
        })?;
    let tokens = open_session(&mut *uow, issuer, tenant.id, &owner).await?;
    uow.commit().await?;
    Ok((tenant, owner, tokens))
}

/// Adds a tenant of this slug and its owner.
pub async fn create_tenant(
    uow: &mut dyn SystemUnitOfWork,
    slug: String,
    cmd: &SignUp,
    id: uuid::Uuid,
    password_hash: &str,
) -> Result<(Tenant, User), TenantConflict> {
    let now = uow.now();
    let tenant = Tenant {
        id: Id::from_uuid(id),
        slug,
        name: cmd.tenant_name.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let owner = User {
        id: Id::from_uuid(uow.next_id()),
        email: cmd.email.clone(),
        name: cmd.name.clone(),
        role: Role::Owner,
        active: true,
        agent: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    uow.accounts()
        .insert_tenant(&tenant, &owner, password_hash)
        .await?;
    let actor = Actor::User(owner.id);
    uow.record(
        tenant.id,
        Recorded::new("tenant_created", Aggregate::Tenant, id, actor).after(&TenantSnapshot::from(&tenant)),
    );
    uow.record(
        tenant.id,
        Recorded::new("user_created", Aggregate::User, owner.id.as_uuid(), actor)
            .after(&UserSnapshot::from(&owner)),
    );
    Ok((tenant, owner))
}

/// The name in lower case with dashes, and random letters behind: so a slug tells nobody whether another is taken.
fn slug(name: &str, random: u128) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase).take(40) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.is_empty() {
        slug.push_str("tenant");
    }
    if !slug.ends_with('-') {
        slug.push('-');
    }
    // The low 62 bits of a UUIDv7 are random (RFC 9562, section 5.7).
    let letters = (0..8).map(|place| usize::try_from((random >> (5 * place)) & 31).unwrap_or_default());
    slug.extend(letters.map(|index| char::from(ALPHABET[index])));
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_the_name_with_random_letters_behind() {
        assert_eq!(slug("Müller & Söhne GmbH", 0), "m-ller-s-hne-gmbh-aaaaaaaa");
        assert_eq!(slug("東京", u128::MAX), "tenant-99999999");
    }
}
