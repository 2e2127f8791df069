use std::fmt::Debug;

use time::Duration;

use super::edit::find;
use super::{NewWebhook, UpdateWebhookError, WebhookId, WebhookSnapshot};
use crate::Expected;
use crate::access::{ManageWebhooks, Permit};
use crate::events::{Aggregate, Recorded};
use crate::identity::{Secret, TenantId};
use crate::invalid::Invalid;
use crate::store::UnitOfWork;

/// How long the old secret counts beside the new one, unless the caller says otherwise.
pub const OLD_SECRET_LIFETIME: Duration = Duration::hours(24);
/// It cannot count longer.
pub const OLD_SECRET_LONGEST: Duration = Duration::days(7);

/// Makes and keeps the secrets that webhooks are signed with. A sealed one can be stored: it is of use to nobody who
/// has not the key of this installation, and in the place of no other webhook's.
pub trait SigningSecrets: Debug + Send + Sync {
    /// 32 random bytes: `whsec_` and their base64.
    fn make(&self) -> Secret;

    fn seal(&self, secret: &Secret, tenant: TenantId, webhook: WebhookId) -> Vec<u8>;

    /// `None`: it was sealed by another key, or for another webhook.
    fn open(&self, sealed: &[u8], tenant: TenantId, webhook: WebhookId) -> Option<Secret>;

    /// Signs with a secret that was opened: `v1,` and the base64 of HMAC-SHA256.
    fn sign(&self, secret: &Secret, content: &[u8]) -> String;
}

pub type RotateSecretError = UpdateWebhookError;

/// Checks for how long an old secret is to count; absent: [`OLD_SECRET_LIFETIME`].
pub fn old_secret_lifetime(seconds: Option<i64>) -> Result<Duration, Invalid> {
    match seconds.map(Duration::seconds) {
        None => Ok(OLD_SECRET_LIFETIME),
        Some(lifetime) if lifetime >= Duration::ZERO && lifetime <= OLD_SECRET_LONGEST => Ok(lifetime),
        Some(_) => Err(Invalid::field(
            "oldSecretSeconds",
            format!(
                "must be a whole number from 0 to {}",
                OLD_SECRET_LONGEST.whole_seconds()
            ),
        )),
    }
}

/// Gives a webhook another secret. What is sent is signed with the old one, too, for `old_lifetime`; at zero not any
/// more. One that is older still counts no longer.
pub async fn rotate_secret(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    secrets: &dyn SigningSecrets,
    id: WebhookId,
    expected: Expected,
    old_lifetime: Duration,
) -> Result<NewWebhook, RotateSecretError> {
    let before = find(uow, id, expected).await?;
    let mut after = before.clone();
    after.old_secret_until = (old_lifetime > Duration::ZERO).then(|| uow.now() + old_lifetime);
    after.updated_at = uow.now();
    let secret = secrets.make();
    let sealed = secrets.seal(&secret, uow.tenant(), id);
    let keeps_old = after.old_secret_until.is_some();
    uow.webhooks().replace_secret(id, &sealed, keeps_old).await?;
    uow.webhooks().update(&after).await?;
    after.version += 1;
    uow.record(
        Recorded::new(
            "webhook_secret_rotated",
            Aggregate::Webhook,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&WebhookSnapshot::from(&before))
        .after(&WebhookSnapshot::from(&after)),
    );
    Ok(NewWebhook {
        webhook: after,
        secret,
    })
}
