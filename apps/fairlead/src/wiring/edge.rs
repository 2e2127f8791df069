use std::sync::Arc;

use fairlead_api::{ConfirmationKey, ConsistencyTokens, CursorKey, LeadMeters, VerifiedCredentials};
use fairlead_auth::SealedAnswers;
use fairlead_cache::TieredCache;
use fairlead_domain::store::CommitListener;
use fairlead_worker::{CommitSignal, JobSignal};

use super::cache;
use crate::config::{Config, Secret};
use crate::derived_key;

/// What the HTTP edge makes of the secret, and what of it must hear of commits.
pub(super) struct Edge {
    pub(super) cursors: CursorKey,
    pub(super) consistency: ConsistencyTokens,
    pub(super) confirmations: ConfirmationKey,
    pub(super) answers: Arc<SealedAnswers>,
    pub(super) verified: VerifiedCredentials,
    pub(super) cache: Option<TieredCache>,
    pub(super) leads: LeadMeters,
    /// Wakes those who wait for events.
    pub(super) signal: CommitSignal,
    /// Wakes those who wait for jobs.
    pub(super) jobs: JobSignal,
}

impl Edge {
    pub(super) fn new(config: &Config, secret: &Secret) -> anyhow::Result<Self> {
        let cache = cache::start(config, secret)?;
        let changes = cache.clone().map(|cache| Arc::new(cache) as _);
        Ok(Self {
            cursors: CursorKey::new(derived_key::derive(secret, "cursor")),
            consistency: ConsistencyTokens::new(derived_key::derive(secret, "consistency")),
            confirmations: ConfirmationKey::new(derived_key::derive(secret, "voice-confirmation")),
            answers: Arc::new(SealedAnswers::new(derived_key::derive(secret, "kept-answers"))),
            verified: VerifiedCredentials::new(changes),
            cache,
            leads: LeadMeters::default(),
            signal: CommitSignal::default(),
            jobs: JobSignal::default(),
        })
    }

    /// Where answers are kept; `None` when they are not.
    pub(super) fn kept_answers(&self, config: &Config) -> Option<&TieredCache> {
        self.cache.as_ref().filter(|_| config.cache.responses.enabled)
    }

    pub(super) fn listeners(&self) -> Vec<Arc<dyn CommitListener>> {
        let mut listeners: Vec<Arc<dyn CommitListener>> = vec![
            Arc::new(self.verified.clone()),
            Arc::new(self.consistency.clone()),
            Arc::new(self.leads.clone()),
        ];
        if let Some(cache) = &self.cache {
            listeners.push(Arc::new(cache.clone()));
        }
        // Last: what was known before the change is forgotten by the time anybody hears of it.
        listeners.push(Arc::new(self.signal.clone()));
        listeners.push(Arc::new(self.jobs.clone()));
        listeners
    }
}
