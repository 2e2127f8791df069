//! What is for sale, and who asks the payment provider.

use std::sync::Arc;

use fairlead_api::BillingServices;
use fairlead_auth::StripeSignatures;
use fairlead_domain::billing::{
    CheckoutSettings, Limits, MakePayment, PlanLimits, Prices, ReportUsage, SyncSubscription,
};
use fairlead_domain::clock::Clock;
use fairlead_domain::jobs::{JobHandler, Missed, NewJob, Overlap, Queue, Retry, Schedule, Timing};

use super::upstreams::Called;
use crate::config::{Config, Secret};
use crate::stores::Stores;

/// What the API does about it.
pub(super) fn services(config: &Config, stores: &Stores, called: &Called) -> BillingServices {
    let stripe = &config.billing.stripe;
    let secrets = [&stripe.webhook_secret, &stripe.old_webhook_secret];
    let secrets = secrets.into_iter().flatten().map(Secret::expose);
    BillingServices {
        provider: called.payments.clone().map(|provider| Arc::new(provider) as _),
        checkout: checkout(config),
        signatures: stripe
            .webhook_secret
            .is_some()
            .then(|| Arc::new(StripeSignatures::new(secrets)) as _),
        directory: stores.system.clone(),
        limits: limits(config),
    }
}

/// Who does its jobs, with the pauses of their queue.
pub(super) fn handlers(
    config: &Config,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    called: &Called,
    retry: Retry,
) -> Vec<Arc<dyn JobHandler>> {
    let Some(provider) = &called.payments else {
        return Vec::new();
    };
    let store = stores.store.clone();
    let provider = Arc::new(provider.clone());
    let mut handlers: Vec<Arc<dyn JobHandler>> = vec![
        Arc::new(MakePayment::new(
            store.clone(),
            provider.clone(),
            Arc::clone(clock),
            retry,
        )),
        Arc::new(SyncSubscription::new(
            store,
            provider.clone(),
            prices(config),
            retry,
        )),
    ];
    if let Some(meter) = &config.billing.stripe.meter_event_name {
        handlers.push(Arc::new(ReportUsage::new(
            stores.system.clone(),
            provider,
            Arc::clone(clock),
            meter.clone(),
            // Before it is cut off it is to have noted what became of the last one.
            config.jobs.integrations.timeout / 2,
        )));
    }
    handlers
}

/// When it is told what tenants have used; `None`: it is not.
pub(super) fn schedule(config: &Config, clock: &dyn Clock) -> Option<Schedule> {
    let stripe = &config.billing.stripe;
    if stripe.api_key.is_none() || stripe.meter_event_name.is_none() {
        return None;
    }
    let job = NewJob::new(Queue::Integrations, ReportUsage::KIND, &());
    Some(Schedule {
        name: ReportUsage::KIND.to_owned(),
        queue: job.queue,
        kind: job.kind.to_owned(),
        payload: job.payload,
        timing: Timing {
            // More often than there are new rows: what could not be told goes on.
            cron: "*/5 * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
        },
        missed: Missed::Once,
        overlap: Overlap::Skip,
        created_by: "system".to_owned(),
        next_at: clock.now(),
        last_at: None,
    })
}

fn checkout(config: &Config) -> CheckoutSettings {
    let billing = &config.billing;
    let success_url = billing.success_url.clone().unwrap_or_default();
    CheckoutSettings {
        prices: prices(config),
        cancel_url: billing.cancel_url.clone().unwrap_or_else(|| success_url.clone()),
        success_url,
    }
}

/// What plans allow.
pub(super) fn limits(config: &Config) -> Limits {
    let billing = &config.billing;
    let of = |leads, users, calls| PlanLimits { leads, users, calls };
    let (free, team, business) = (&billing.free, &billing.team, &billing.business);
    Limits {
        free: of(free.max_leads, free.max_users, free.max_calls),
        team: of(team.max_leads, team.max_users, team.max_calls),
        business: of(business.max_leads, business.max_users, business.max_calls),
    }
}

fn prices(config: &Config) -> Prices {
    Prices {
        team: config.billing.team.price.clone(),
        business: config.billing.business.price.clone(),
    }
}
