use std::collections::BTreeMap;

use super::advice::{advice, facts};
use super::attribution::{Attribution, Cost};
use super::pressure::pressures;
use super::{Affected, Bottleneck, Cause, Evidence, Impact};
use crate::performance::statistics::{real_u64, share};

/// What takes less of all requests' time than this,
const SHARE: f64 = 0.10;
/// or less of each request's, holds nobody up,
const MS_EACH: f64 = 5.0;
/// unless it takes most of a route's time, and so much of it that people notice.
const SHARE_OF_ROUTE: f64 = 0.5;
const MS_NOTICED: f64 = 50.0;
/// A route with fewer requests than these says nothing.
const FEWEST_REQUESTS: u64 = 20;

/// Finds what holds others up: the worst first, nothing when all is well.
pub fn find(evidence: &Evidence) -> Vec<Bottleneck> {
    let total: f64 = evidence.routes.iter().map(|route| route.total_ms).sum();
    let attribution = Attribution::of(evidence);
    let mut found: Vec<Bottleneck> = attribution
        .causes()
        .filter_map(|(cause, costs)| judge(evidence, total, cause, costs))
        .chain(pressures(evidence))
        .collect();
    found.sort_by(|left, right| right.impact.rank().total_cmp(&left.impact.rank()));
    found
}

fn judge(
    evidence: &Evidence,
    total: f64,
    cause: &Cause,
    costs: &BTreeMap<String, Cost>,
) -> Option<Bottleneck> {
    let ms: f64 = costs.values().map(|cost| cost.ms).sum();
    let route = |name: &String| evidence.routes.iter().find(|route| route.route == *name);
    let requests = costs.keys().filter_map(route).map(|route| route.requests).sum();
    let impact = Impact {
        affected: Affected::Requests(requests),
        ms_each: share(ms, real_u64(requests))?,
        share: share(ms, total)?,
    };
    let dominates = costs.iter().any(|(name, cost)| {
        route(name).is_some_and(|route| {
            route.requests >= FEWEST_REQUESTS
                && cost.ms >= SHARE_OF_ROUTE * route.total_ms
                && cost.ms >= MS_NOTICED * real_u64(route.requests)
        })
    });
    let is_enough = requests >= FEWEST_REQUESTS;
    let matters = is_enough && impact.share >= SHARE && impact.ms_each >= MS_EACH;
    if !matters && !dominates {
        return None;
    }
    let (_, worst) = costs
        .iter()
        .max_by(|left, right| left.1.ms.total_cmp(&right.1.ms))?;
    Some(Bottleneck {
        cause: cause.clone(),
        chain: worst.chain.clone(),
        impact,
        facts: facts(evidence, cause),
        advice: advice(evidence, cause),
    })
}

impl Impact {
    /// What is worse, from 0 to 1: what costs requests their time by the share it takes; what is nearly used up by how
    /// little is left of the last tenth.
    fn rank(&self) -> f64 {
        match self.affected {
            Affected::Requests(_) | Affected::Jobs(_) => self.share,
            Affected::Headroom => ((self.share - 0.9) / 0.1).clamp(0.0, 1.0),
        }
    }
}
