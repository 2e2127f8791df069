//! Judges what all processes have measured, and tells what has come of it.

mod read;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::access::SystemScope;
use fairlead_domain::performance::alerts::{
    self, Alert, NoticeKind, Severity, ToTell, default_objectives, default_rules,
};
use fairlead_domain::store::{StoreError, SystemUnitOfWork};
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};

use self::read::Reader;
use crate::state::Services;

/// However seldom processes measure: what is watched less often is not known to have lasted.
const AT_LEAST_EVERY: Duration = Duration::from_mins(1);

/// Goes round by round: in each, one of all processes judges.
#[derive(Clone, Debug)]
pub struct AlertRounds {
    services: Services,
}

/// What is wrong, as this process has seen it last.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveAlerts(Arc<Mutex<Option<Seen>>>);

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: OffsetDateTime,
    /// The newest first.
    pub(crate) alerts: Vec<Alert>,
    /// By key, until when nothing is told of a rule or an objective.
    pub(crate) silenced: BTreeMap<String, OffsetDateTime>,
}

impl ActiveAlerts {
    /// `None`: this process has not looked yet.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

impl AlertRounds {
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// Goes on until the task is aborted.
    pub async fn run(self) {
        let every = self.services.performance.settings.interval.min(AT_LEAST_EVERY);
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_ensured, mut is_well) = (false, true);
        let mut reader = Reader::default();
        loop {
            ticks.tick().await;
            match self.round(every, &mut is_ensured, &mut reader).await {
                Ok(()) => is_well = true,
                // Once for each time that it fails, not every round.
                Err(error) if is_well => {
                    is_well = false;
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "what was measured cannot be judged; alerts are told later");
                }
                Err(_) => {}
            }
        }
    }

    async fn round(
        &self,
        every: Duration,
        is_ensured: &mut bool,
        reader: &mut Reader,
    ) -> Result<(), StoreError> {
        if !*is_ensured {
            let mut uow = self.begin().await?;
            let rules = default_rules();
            uow.alerts().ensure(&rules, &default_objectives()).await?;
            uow.commit().await?;
            *is_ensured = true;
        }
        let mut uow = self.begin().await?;
        // A process that ticks a little early has its turn all the same.
        let turn = uow.alerts().begin_turn(every * 4 / 5).await?;
        uow.commit().await?;
        if let Some(turn) = turn {
            let measured = reader.readings(&self.services).await?;
            let mut uow = self.begin().await?;
            let channels = &self.services.performance.settings.channels;
            let told = alerts::judge(&mut *uow, turn, &measured, channels).await?;
            uow.commit().await?;
            for to_tell in told.iter().flatten() {
                log(to_tell);
            }
        }
        let mut uow = self.begin().await?;
        let alerts = uow.alerts().active().await?.all;
        let standings = uow.alerts().standings().await?;
        uow.commit().await?;
        let at = self.services.clock.now();
        let until = standings.into_iter().filter_map(|(key, standing)| {
            let silence = standing.silence.filter(|silence| silence.covers(at))?;
            Some((key, silence.until()))
        });
        let seen = Seen {
            at,
            alerts,
            silenced: until.collect(),
        };
        self.services.performance.active_alerts.see(seen);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "what is judged is no tenant's")]
    async fn begin(&self) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
        let scope = SystemScope::new("to judge what was measured");
        self.services.system.begin(&scope).await
    }
}

/// Whoever follows the log learns of everything that is told.
fn log(ToTell { alert, notice }: &ToTell) {
    let (id, rule, value) = (alert.id.as_uuid(), &*alert.rule, notice.value);
    let (kind, severity, text) = (notice.kind.as_str(), notice.severity.as_str(), notice.text(alert));
    match (notice.kind, notice.severity) {
        (NoticeKind::Resolved, _) => {
            tracing::info!(alert = %id, rule, notice = kind, severity, value, "alert: {text}");
        }
        (_, Severity::Warning) => {
            tracing::warn!(alert = %id, rule, notice = kind, severity, value, "alert: {text}");
        }
        (_, Severity::Critical) => {
            tracing::error!(alert = %id, rule, notice = kind, severity, value, "alert: {text}");
        }
    }
}
