//! What this process has counted since an operator had it begin anew, or since it started.
//!
//! Nothing is set back: metrics, the written history and what is judged go on as if nothing had been. What was counted by
//! then is taken off what is shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::performance::{Fingerprint, StatementReport};

use crate::middleware::{Series, Times};
use crate::state::Services;

/// From when on is shown what was counted. All clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginning(Arc<Mutex<Option<Arc<Then>>>>);

/// What had been counted at a moment.
#[derive(Debug)]
struct Then {
    at: Instant,
    times: BTreeMap<Series, Times>,
    statements: HashMap<Fingerprint, StatementReport>,
}

/// What is shown of it.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) times: BTreeMap<Series, Times>,
    /// Those that took most time come first.
    pub(crate) statements: Vec<StatementReport>,
    /// For how long.
    pub(crate) span: Duration,
}

impl Beginning {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Then>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    pub(crate) fn of(services: &Services) -> Self {
        Self::since(services, services.times.all(), services.statements.statements())
    }

    /// What is shown of all that was counted.
    fn since(
        services: &Services,
        mut times: BTreeMap<Series, Times>,
        mut statements: Vec<StatementReport>,
    ) -> Self {
        let then = services.performance.beginning.lock().clone();
        let Some(then) = then else {
            return Self {
                times,
                statements,
                span: services.times.age(),
            };
        };
        times.retain(|series, times| {
            if let Some(earlier) = then.times.get(series) {
                *times = times.since(earlier);
            }
            times.sketch.count() > 0
        });
        for report in &mut statements {
            if let Some(earlier) = then.statements.get(&report.fingerprint) {
                *report = report.since(earlier);
            }
        }
        statements.retain(|report| report.times.count() > 0);
        statements.sort_by_key(|report| std::cmp::Reverse(report.times.sum()));
        Self {
            times,
            statements,
            span: then.at.elapsed(),
        }
    }

    /// Has it begin anew for all who look from now on, and returns what was shown until now.
    pub(crate) fn begin_anew(services: &Services) -> Self {
        // Read once: what is counted meanwhile is in one of both.
        let (times, statements) = (services.times.all(), services.statements.statements());
        let counted = Self::since(services, times.clone(), statements.clone());
        *services.performance.beginning.lock() = Some(Arc::new(Then {
            at: Instant::now(),
            times,
            statements: statements
                .into_iter()
                .map(|report| (report.fingerprint, report))
                .collect(),
        }));
        services.slow.clear();
        counted
    }
}
