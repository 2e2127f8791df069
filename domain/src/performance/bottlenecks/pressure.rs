use super::advice::{advice, facts};
use super::{Affected, Bottleneck, Cause, Evidence, Impact, LimitUse, Link, QueueUse, Resource};
use crate::performance::statistics::{real_u64, share};

/// A job that waits for longer than this is late.
const LATE_MS: f64 = 30_000.0;
/// Of what is used to more than this there is not enough left.
const NEARLY: f64 = 0.9;

/// What costs no request its time, but will: backlogs, and what is nearly used up.
pub(super) fn pressures(evidence: &Evidence) -> Vec<Bottleneck> {
    let queues = evidence
        .queues
        .iter()
        .filter_map(|queue| backlog(evidence, queue));
    let limits = evidence
        .limits
        .iter()
        .filter_map(|limit| exhaustion(evidence, limit));
    queues.chain(limits).collect()
}

fn backlog(evidence: &Evidence, queue: &QueueUse) -> Option<Bottleneck> {
    if queue.waiting == 0 || queue.oldest_wait_ms < LATE_MS {
        return None;
    }
    let work = share(queue.work_ms, real_u64(queue.finished)).unwrap_or_default();
    let cause = Cause::Queue(queue.name.clone());
    Some(Bottleneck {
        chain: vec![Link::Queue(queue.name.clone())],
        impact: Impact {
            affected: Affected::Jobs(queue.waiting),
            ms_each: queue.oldest_wait_ms,
            share: share(queue.oldest_wait_ms, queue.oldest_wait_ms + work).unwrap_or_default(),
        },
        facts: facts(evidence, &cause),
        advice: advice(evidence, &cause),
        cause,
    })
}

fn exhaustion(evidence: &Evidence, limit: &LimitUse) -> Option<Bottleneck> {
    let used = share(limit.used, limit.limit)?;
    // Cores that are all busy are found by what waits for them, and a queue by who waits in it.
    let is_found_elsewhere = matches!(limit.resource, Resource::Cpu | Resource::Queue);
    if used < NEARLY || is_found_elsewhere {
        return None;
    }
    let cause = Cause::Exhaustion {
        resource: limit.resource,
        name: limit.name.clone(),
    };
    Some(Bottleneck {
        chain: vec![Link::Resource(limit.resource)],
        impact: Impact {
            affected: Affected::Headroom,
            ms_each: 0.0,
            share: used,
        },
        facts: facts(evidence, &cause),
        advice: advice(evidence, &cause),
        cause,
    })
}
