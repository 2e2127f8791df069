use std::collections::{HashMap, HashSet};

use fairlead_domain::access::{ManageCarriers, ManageUsers, Permit, Role, SystemScope};
use fairlead_domain::carriers::{self, CarrierFilter, CreateCarrierError};
use fairlead_domain::identity::{self, SignUp, Tenant, TenantConflict, User, UserFilter};
use fairlead_domain::paging::{MAX_LIMIT, Paging, Start};
use fairlead_domain::store::{StoreError, UnitOfWork};
use time::{Duration, OffsetDateTime};

use super::fill::{DemoError, DemoOrder, DemoPorts};
use super::team;

/// The people of a demo tenant.
pub(super) struct Team {
    /// Agents who may be assigned to.
    pub(super) agents: Vec<User>,
    /// When the first agent was added: the moment at which the demo plays, also in later runs.
    pub(super) founded_at: OffsetDateTime,
    pub(super) new_users: Vec<(String, Role)>,
}

/// The address by which a demo tenant's owner is known: of a domain that nobody can have (RFC 2606, section 2).
fn owner_email(slug: &str) -> String {
    format!("owner@{slug}.test")
}

/// Finds the tenant, or creates it with its owner, who is returned then.
pub(super) async fn tenant(
    ports: DemoPorts<'_>,
    scope: &SystemScope,
    order: &DemoOrder,
) -> Result<(Tenant, Option<(String, Role)>), DemoError> {
    if !is_slug(&order.slug) {
        return Err(DemoError::BadSlug);
    }
    let mut uow = ports.system.begin(scope).await?;
    if let Some(tenant) = uow.accounts().find_tenant(&order.slug).await? {
        let owner = uow.accounts().find_owner(tenant.id).await?;
        if owner.is_none_or(|owner| owner.email != owner_email(&order.slug)) {
            return Err(DemoError::NotADemo);
        }
        return Ok((tenant, None));
    }
    // No password is hashed while a transaction is open.
    drop(uow);
    let password_hash = ports.hasher.hash(&order.password).await?;

    let email = owner_email(&order.slug);
    let sign_up = SignUp {
        tenant_name: title(&order.slug),
        name: "Olivia Owens".to_owned(),
        email: email.clone(),
        password: order.password.clone(),
    };
    let mut uow = ports.system.begin(scope).await?;
    let id = uow.next_id();
    let created = identity::create_tenant(&mut *uow, order.slug.clone(), &sign_up, id, &password_hash).await;
    match created {
        Ok((tenant, _)) => {
            uow.commit().await?;
            Ok((tenant, Some((email, Role::Owner))))
        }
        // Another run has created it meanwhile: the same order will do now.
        Err(TenantConflict::SlugTaken) => Err(StoreError::Contended.into()),
        Err(TenantConflict::Store(error)) => Err(error.into()),
    }
}

/// Adds the users and carriers that are missing.
pub(super) async fn team(
    ports: DemoPorts<'_>,
    scope: &SystemScope,
    tenant: &Tenant,
    order: &DemoOrder,
) -> Result<Team, DemoError> {
    let manage_users: Permit<ManageUsers> = Permit::system(scope, tenant.id);
    let manage_carriers: Permit<ManageCarriers> = Permit::system(scope, tenant.id);
    let wanted = team::users(&order.slug);

    let mut uow = ports.store.begin(manage_users.scope()).await?;
    // Two runs at once add the team one after the other.
    uow.tenants().get_for_update().await?;
    let mut known: HashMap<String, User> = all_users(&mut *uow)
        .await?
        .into_iter()
        .map(|user| (user.email.clone(), user))
        .collect();
    let mut new_users = Vec::new();
    let mut agents = Vec::new();
    for user in wanted {
        let user = if let Some(known) = known.remove(&user.email) {
            known
        } else {
            let lifetime = Duration::hours(1);
            let (user, _) = identity::invite(&mut *uow, &manage_users, ports.secrets, lifetime, user).await?;
            new_users.push(user.clone());
            user
        };
        if user.agent.is_some() {
            agents.push(user);
        }
    }
    let founded_at = agents
        .iter()
        .map(|agent| agent.created_at)
        .min()
        .unwrap_or(uow.now());
    add_carriers(&mut *uow, &manage_carriers, &order.slug).await?;
    uow.commit().await?;
    set_passwords(ports, scope, tenant, order, &new_users).await?;

    agents.retain(|agent| agent.active);
    Ok(Team {
        agents,
        founded_at,
        new_users: new_users
            .into_iter()
            .map(|user| (user.email, user.role))
            .collect(),
    })
}

/// Lets the new users log in; they share one password, and one hash of it, for a demo is no secret.
async fn set_passwords(
    ports: DemoPorts<'_>,
    scope: &SystemScope,
    tenant: &Tenant,
    order: &DemoOrder,
    users: &[User],
) -> Result<(), DemoError> {
    if users.is_empty() {
        return Ok(());
    }
    let password_hash = ports.hasher.hash(&order.password).await?;
    let mut uow = ports.system.begin(scope).await?;
    for user in users {
        uow.accounts()
            .set_password(tenant.id, user.id, &password_hash)
            .await?;
    }
    uow.commit().await?;
    Ok(())
}

async fn add_carriers(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageCarriers>,
    slug: &str,
) -> Result<(), StoreError> {
    let filter = CarrierFilter::default();
    let mut paging = Paging::first(MAX_LIMIT);
    let mut known = HashSet::new();
    loop {
        let page = uow.carriers().list(&filter, &paging).await?;
        known.extend(page.items.into_iter().map(|carrier| carrier.name));
        let Some(next) = page.next else { break };
        paging.start = Start::After(Some(next));
    }
    for carrier in team::carriers(slug) {
        if known.contains(&carrier.name) {
            continue;
        }
        match carriers::create(uow, permit, carrier).await {
            Ok(_) => {}
            // Somebody adds carriers by hand at this very moment.
            Err(CreateCarrierError::NameTaken) => return Err(StoreError::Contended),
            Err(CreateCarrierError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

async fn all_users(uow: &mut dyn UnitOfWork) -> Result<Vec<User>, StoreError> {
    let filter = UserFilter::default();
    let mut paging = Paging::first(MAX_LIMIT);
    let mut users = Vec::new();
    loop {
        let page = uow.users().list(&filter, &paging).await?;
        users.extend(page.items);
        let Some(next) = page.next else { return Ok(users) };
        paging.start = Start::After(Some(next));
    }
}

fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// `acme-insurance` is called `Acme Insurance`.
fn title(slug: &str) -> String {
    let words: Vec<String> = slug
        .split('-')
        .map(|word| {
            let (first, rest) = word.split_at(1);
            format!("{}{rest}", first.to_ascii_uppercase())
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_what_the_database_takes_for_one() {
        assert!(["acme", "acme-2", "a", "9-to-5"].into_iter().all(is_slug));
        assert!(
            !["", "Acme", "-acme", "acme-", "a--b", "a b", "ä", &"a".repeat(64)]
                .into_iter()
                .any(is_slug)
        );
    }

    #[test]
    fn a_tenant_is_called_after_its_slug() {
        assert_eq!(title("acme-insurance-2"), "Acme Insurance 2");
    }
}
