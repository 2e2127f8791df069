use std::collections::BTreeMap;

use super::attribution::judged;
use super::{Cause, Chain, Evidence, PoolUse};

/// A cause that holds connections for this much of the time for which they are lent is why others wait for them.
const MOST: f64 = 0.4;

/// What holds the connections of a pool; `None`: what they are lent for is in order, so they are too few.
pub(super) fn holder(evidence: &Evidence, pool: &PoolUse) -> Option<(Cause, Chain)> {
    let mut held: BTreeMap<Cause, (f64, Chain)> = BTreeMap::new();
    for query in evidence.queries.iter().filter(|query| query.pool == pool.name) {
        for (cause, ms, chain) in judged(evidence, query) {
            held.entry(cause).or_insert_with(|| (0.0, chain)).0 += ms;
        }
    }
    held.into_iter()
        .map(|(cause, (ms, chain))| (ms, cause, chain))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(ms, ..)| *ms >= MOST * pool.lent_ms)
        .map(|(_, cause, chain)| (cause, chain))
}
