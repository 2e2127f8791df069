use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use fairlead_auth::{AccessTokenSettings, Argon2PasswordHasher, JwtAccessTokens, KeyRing, Sha256Secrets};
use fairlead_domain::Id;
use fairlead_domain::access::{Actor, ApiScope, Caller, ManageApiKeys, SystemScope};
use fairlead_domain::clock::{Clock as _, Ids as _};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{Aggregate, Recorded, Source};
use fairlead_domain::identity::{
    self, AccessClaims, AccessTokens as _, CreateApiKey, Password, PasswordHasher as _, Revocation, Secret,
    Tenant, ThrottleKey, User,
};
use fairlead_domain::paging::{MAX_LIMIT, Paging};
use fairlead_domain::store::{Store as _, SystemStore as _, UnitOfWork};
use serde_json::json;

use super::session::Session;
use crate::config::Config;
use crate::demo::{DemoOrder, DemoPorts, Filled, Progress, fill};
use crate::output;
use crate::system::{SystemClock, SystemIds};
use crate::wiring;

const EXAMPLES: &str = "\
Examples:
  fairlead demo --tenant acme --leads 20000
  fairlead demo --tenant acme --leads 200000 --json

A second run adds what is missing. Every run sets a new password for the owner and makes a new API key; the key of the \
run before is revoked.";

/// Names the key this command makes, so that the next run finds it.
const KEY_NAME: &str = "fairlead demo";
const PASSWORD_LENGTH: usize = 20;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// Slug of the tenant; it is created if need be
    #[arg(long, default_value = "acme")]
    tenant: String,
    /// How many leads there are in the end
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    leads: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &DemoArgs, config: &Config) -> anyhow::Result<()> {
    let session = Session::open(config).await?;
    let outcome = fill_and_tell(args, config, &session).await;
    session.close().await;
    outcome
}

async fn fill_and_tell(args: &DemoArgs, config: &Config, session: &Session) -> anyhow::Result<()> {
    let password = random_password()?;
    let hasher = Argon2PasswordHasher::new(wiring::hasher_limits(config));
    let order = DemoOrder {
        slug: args.tenant.clone(),
        leads: args.leads,
        password: password.clone(),
    };
    let filled = fill_with_progress(&order, &hasher, session).await?;
    let owner = reset_owner(&filled.tenant, &password, &hasher, session).await?;
    let caller = act_as(&owner, &filled.tenant, config)?;
    let api_key = renew_api_key(&caller, session).await?;
    let leads = count_leads(&caller, session).await?;

    let access = Access {
        owner: &owner,
        password: &password,
        api_key: &api_key,
    };
    if args.json {
        return output::print_json(&json!({
            "tenant": filled.tenant.slug,
            "owner": { "email": owner.email, "password": password.expose() },
            "apiKey": api_key.expose(),
            "leads": leads,
            "created": filled.leads_added,
            "createdPerSecond": filled.rate(),
        }));
    }
    output::print(&for_people(&filled, leads, &access))
}

async fn fill_with_progress(
    order: &DemoOrder,
    hasher: &Argon2PasswordHasher,
    session: &Session,
) -> anyhow::Result<Filled> {
    let ports = DemoPorts {
        store: &*session.stores.store,
        system: &*session.stores.system,
        hasher,
        secrets: &Sha256Secrets,
    };
    let mut progress = Progress::default();
    let filled = fill(ports, order, &mut |done, total| progress.show(done, total)).await;
    progress.finish();
    filled.context("cannot fill the demo tenant")
}

/// Gives the owner the password, which the demo did only if it created the owner just now.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line orders it, for a tenant it names"
)]
async fn reset_owner(
    tenant: &Tenant,
    password: &Password,
    hasher: &Argon2PasswordHasher,
    session: &Session,
) -> anyhow::Result<User> {
    let hash = hasher.hash(password).await?;
    let mut uow = session
        .stores
        .system
        .begin(&SystemScope::new("demo access"))
        .await?;
    let owner = uow.accounts().find_owner(tenant.id).await?;
    let owner = owner.with_context(|| format!("tenant {} has no owner who is active", tenant.slug))?;
    uow.accounts().set_password(tenant.id, owner.id, &hash).await?;
    // Whoever tried a password of an earlier run has locked nobody out.
    let attempts = |slug: Option<&String>| ThrottleKey::Account {
        email: owner.email.clone(),
        tenant: slug.cloned(),
    };
    let (unnamed, named) = (attempts(None), attempts(Some(&tenant.slug)));
    uow.login_throttle().forget(&[unnamed, named]).await?;
    let reset = Recorded::new(
        "user_password_reset",
        Aggregate::User,
        owner.id.as_uuid(),
        Actor::System,
    );
    uow.record(tenant.id, reset.by(Source::Demo));
    uow.commit().await.context("cannot set the owner's password")?;
    Ok(owner)
}

/// Becomes the owner, by a token of the keys that this process holds: API keys are made by people.
fn act_as(owner: &User, tenant: &Tenant, config: &Config) -> anyhow::Result<Caller> {
    let now = SystemClock.now();
    let keys = KeyRing::open_or_create(&config.keys_dir(), now).context("cannot read the signing keys")?;
    let settings = AccessTokenSettings {
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        lifetime: config.auth.access_ttl,
    };
    let tokens = JwtAccessTokens::new(Arc::new(keys), settings);
    let token = tokens.issue(&AccessClaims {
        tenant: tenant.id,
        user: owner.id,
        session: Id::from_uuid(SystemIds.next()),
        role: owner.role,
        issued_at: now,
        expires_at: now + tokens.lifetime(),
    });
    let revoked = fairlead_postgres::MemoryRevokedSessions::default();
    let verified = identity::authenticate_access_token(&tokens, &revoked, token.expose(), now)?;
    Ok(verified.who)
}

async fn renew_api_key(caller: &Caller, session: &Session) -> anyhow::Result<Secret> {
    let permit = caller.permit::<ManageApiKeys>()?;
    let mut uow = session.stores.store.begin(permit.scope()).await?;
    // The password is a new one, so whoever came in with an old one leaves.
    let owner = permit
        .actor()
        .user()
        .ok_or_else(|| anyhow!("the owner is a person"))?;
    uow.sessions()
        .revoke_all(owner, Revocation::PasswordChanged)
        .await?;
    for key in own_keys(&mut *uow).await? {
        identity::revoke_api_key(&mut *uow, &permit, key).await?;
    }
    let cmd = CreateApiKey {
        name: KEY_NAME.to_owned(),
        scopes: ApiScope::ALL.to_vec(),
        expires_at: None,
    };
    let made = identity::create_api_key(&mut *uow, &permit, &Sha256Secrets, cmd).await?;
    uow.commit().await.context("cannot make an API key")?;
    Ok(made.secret)
}

/// Finds the keys of earlier runs that are still good; the newest page has them, as each run revokes those before.
async fn own_keys(uow: &mut dyn UnitOfWork) -> anyhow::Result<Vec<identity::ApiKeyId>> {
    let page = uow.api_keys().list(&Paging::first(MAX_LIMIT)).await?;
    let is_own = |key: &identity::ApiKey| key.name == KEY_NAME && key.revoked_at.is_none();
    Ok(page.items.into_iter().filter(is_own).map(|key| key.id).collect())
}

async fn count_leads(caller: &Caller, session: &Session) -> anyhow::Result<u64> {
    let mut uow = session
        .stores
        .store
        .read(caller.scope(), ReadIntent::INTERACTIVE)
        .await?;
    Ok(uow
        .tenants()
        .usage()
        .await
        .context("cannot count the leads")?
        .leads)
}

fn random_password() -> anyhow::Result<Password> {
    // Without letters and digits that look alike.
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random: [u8; PASSWORD_LENGTH] = rand::random();
    let letters = random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Password::parse(letters.collect()).context("drew a poor password; try again")
}

/// How people and programs get in.
struct Access<'a> {
    owner: &'a User,
    password: &'a Password,
    api_key: &'a Secret,
}

fn for_people(filled: &Filled, leads: u64, access: &Access<'_>) -> String {
    let Access {
        owner,
        password,
        api_key,
    } = access;
    let rate = filled
        .rate()
        .map(|rate| {
            let seconds = filled.writing.as_secs_f64();
            format!(" That took {seconds:.1} s: {rate:.0} leads a second.")
        })
        .unwrap_or_default();
    let mut text = format!(
        "Tenant {} has {leads} leads, {} of them new, with {} new activities.{rate}\n\n\
         owner     {}\npassword  {}\nAPI key   {}",
        filled.tenant.slug,
        filled.leads_added,
        filled.activities_added,
        owner.email,
        password.expose(),
        api_key.expose(),
    );
    let others: Vec<String> = filled
        .new_users
        .iter()
        .filter(|(email, _)| *email != owner.email)
        .map(|(email, role)| format!("  {email} ({})", role.as_str()))
        .collect();
    if !others.is_empty() {
        text.push_str("\n\nAlso new, with the same password:\n");
        text.push_str(&others.join("\n"));
    }
    text
}
