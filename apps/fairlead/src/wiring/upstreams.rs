//! Services that this installation calls.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fairlead_domain::ai::{Asker, Budget, Prices};
use fairlead_domain::clock::Clock;
use fairlead_domain::upstreams::{BreakerState, Upstreams as _};
use fairlead_http::{
    AiWire, BreakerSettings, HttpLanguageModel, HttpUpstreams, KitMailingList, Listener, StripeProvider,
    Upstream, UpstreamCredential, UpstreamSettings,
};

use crate::config::{AiProvider, Config};

const OPENAI: &str = "https://api.openai.com/v1";
const AI: &str = "ai";
const AI_AUDIO: &str = "ai-audio";
const STRIPE: &str = "stripe";
const KIT: &str = "kit";
const GEMINI: &str = "https://generativelanguage.googleapis.com/v1beta";

/// What is configured of them.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) upstreams: HttpUpstreams,
    pub(super) asker: Asker,
    /// `None`: nothing is for sale.
    pub(super) payments: Option<StripeProvider>,
    /// `None`: there is none.
    pub(super) mailing_list: Option<KitMailingList>,
}

impl Called {
    pub(super) fn new(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let (models, model) = language_model(config, clock)?.unzip();
        let (stripe, payments) = payment_provider(config, clock)?.unzip();
        let (kit, mailing_list) = mailing_list(config, clock)?.unzip();
        let ai = &config.ai;
        let budget = Budget {
            prices: Prices {
                input_cents: ai.input_price_cents,
                output_cents: ai.output_price_cents,
            },
            monthly_tokens: ai.monthly_tokens_per_tenant,
            monthly_micros: ai.monthly_cents_per_tenant * 10_000,
        };
        Ok(Self {
            upstreams: HttpUpstreams(models.into_iter().flatten().chain(stripe).chain(kit).collect()),
            asker: Asker {
                model: model.map(|model| Arc::new(model) as _),
                budget,
            },
            payments,
            mailing_list,
        })
    }

    /// What works less well for now, in words.
    pub(super) fn reduced(&self) -> impl Iterator<Item = String> {
        let reports = self.upstreams.report().into_iter();
        let open = reports.filter(|report| report.state != BreakerState::Closed);
        open.map(|report| {
            let meanwhile = match report.name {
                AI => "what it would answer, rules do",
                AI_AUDIO => "nobody listens to recordings",
                _ => "what is for it waits",
            };
            format!("the service {} is not called for now: {meanwhile}", report.name)
        })
    }
}

/// The services that answer what rules alone would answer otherwise, and listen to recordings; `None`: there is none.
pub(crate) fn language_model(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<(Vec<Arc<Upstream>>, HttpLanguageModel)>> {
    let ai = &config.ai;
    let (Some(provider), Some(model)) = (ai.provider, ai.model.clone()) else {
        return Ok(None);
    };
    let key = ai.api_key.as_ref();
    let (wire, url, credential) = match provider {
        AiProvider::OpenAi => (
            AiWire::OpenAi,
            OPENAI,
            key.map(|key| ("authorization", format!("Bearer {}", key.expose()))),
        ),
        AiProvider::Gemini => (
            AiWire::Gemini,
            GEMINI,
            key.map(|key| ("x-goog-api-key", key.expose().to_owned())),
        ),
    };
    let url = ai.url.clone().unwrap_or_else(|| url.to_owned());
    let credential = credential.map(|(header, value)| UpstreamCredential { header, value });
    let upstream = |name, timeout| {
        let settings = settings(config, name, url.clone(), credential.clone(), timeout);
        let upstream = Upstream::new(settings, Arc::clone(clock)).context("ai.api_key, ai.url")?;
        anyhow::Ok(Arc::new(upstream))
    };
    let mut upstreams = vec![upstream(AI, config.upstreams.timeout)?];
    let listener = match ai.listener() {
        Some(model) => {
            let upstream = upstream(AI_AUDIO, ai.transcription_timeout)?;
            upstreams.push(Arc::clone(&upstream));
            Some(Listener {
                upstream,
                model: model.to_owned(),
            })
        }
        None => None,
    };
    let model = HttpLanguageModel::new(Arc::clone(&upstreams[0]), wire, model, listener);
    Ok(Some((upstreams, model)))
}

/// Who takes money; `None`: nobody does.
pub(crate) fn payment_provider(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<(Arc<Upstream>, StripeProvider)>> {
    let stripe = &config.billing.stripe;
    let Some(key) = &stripe.api_key else {
        return Ok(None);
    };
    let credential = UpstreamCredential {
        header: "authorization",
        value: format!("Bearer {}", key.expose()),
    };
    let settings = settings(
        config,
        STRIPE,
        stripe.url.clone(),
        Some(credential),
        config.upstreams.timeout,
    );
    let upstream =
        Upstream::new(settings, Arc::clone(clock)).context("billing.stripe.api_key, billing.stripe.url")?;
    let upstream = Arc::new(upstream);
    let provider = StripeProvider::new(Arc::clone(&upstream));
    Ok(Some((upstream, provider)))
}

/// Who writes to leads; `None`: nobody does.
pub(crate) fn mailing_list(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<(Arc<Upstream>, KitMailingList)>> {
    let Some(key) = &config.kit.api_key else {
        return Ok(None);
    };
    let credential = UpstreamCredential {
        header: "x-kit-api-key",
        value: key.expose().to_owned(),
    };
    let settings = settings(
        config,
        KIT,
        config.kit.url.clone(),
        Some(credential),
        config.upstreams.timeout,
    );
    let upstream = Upstream::new(settings, Arc::clone(clock)).context("kit.api_key, kit.url")?;
    let upstream = Arc::new(upstream);
    let list = KitMailingList::new(Arc::clone(&upstream));
    Ok(Some((upstream, list)))
}

fn settings(
    config: &Config,
    name: &'static str,
    url: String,
    credential: Option<UpstreamCredential>,
    timeout: Duration,
) -> UpstreamSettings {
    let config = &config.upstreams;
    UpstreamSettings {
        name,
        url,
        user_agent: concat!("Fairlead/", env!("CARGO_PKG_VERSION")).to_owned(),
        credential,
        connect_timeout: config.connect_timeout,
        timeout,
        max_answer_bytes: config.max_answer_bytes,
        max_in_flight: config.max_in_flight,
        max_wait: config.max_wait,
        retry_percent: config.retry_percent,
        breaker: BreakerSettings {
            failures: config.breaker.failures,
            window: config.breaker.window,
            recovery: config.breaker.recovery,
            // It ends by then, but if nobody is left who could end it.
            probe_timeout: 2 * (config.max_wait + timeout),
        },
    }
}
