use time::Duration;
use time::ext::NumericalDuration as _;

use super::{Metric, Objective, Promise, Rule, Timing};

const MIB: f64 = 1_048_576.0;

/// The rules that hold until others are set. Of the numbers that were asked for these are the strictest; those that were
/// asked for without a number say here why they are what they are.
pub fn default_rules() -> Vec<Rule> {
    let usual = Timing::usual();
    let soon = usual.held(1.minutes());
    // Gauges that rise for a moment whenever there is a peak are given longer.
    let patient = usual.held(10.minutes());
    // What is bad as soon as it is so is not waited for.
    let at_once = usual.held(Duration::ZERO);
    let breaker = Timing {
        escalate_after: 15.minutes(),
        ..at_once
    };
    vec![
        both("response-time", Metric::ResponseP95Ms, 200.0, 500.0, usual),
        both("error-rate", Metric::ErrorShare, 0.05, 0.10, soon),
        both("query-time", Metric::QueryP95Ms, 500.0, 2_000.0, usual),
        both("pool-utilisation", Metric::PoolShare, 0.80, 0.90, usual),
        both("memory", Metric::MemoryShare, 0.80, 0.90, usual),
        both(
            "memory-growth",
            Metric::MemoryGrowthBytes,
            100.0 * MIB,
            500.0 * MIB,
            patient,
        ),
        // Work at full speed for ten minutes is a peak; beyond 95 % requests wait for a core.
        both("cpu", Metric::CpuShare, 0.80, 0.95, patient),
        both("sockets", Metric::Sockets, 8_000.0, 9_500.0, usual),
        both(
            "socket-messages",
            Metric::SocketMessagesPerMinute,
            10_000.0,
            50_000.0,
            usual,
        ),
        both("cache-hits", Metric::CacheHitShare, 0.80, 0.60, patient),
        // When a quarter of what is stored pushes out something else, a larger cache would keep it.
        both("cache-evictions", Metric::CacheEvictionShare, 0.25, 0.50, patient),
        both("queue-depth", Metric::QueueDepth, 1_000.0, 10_000.0, usual),
        // Jobs are to be done within 30 s, of twenty all but one.
        both("queue-delay", Metric::QueueWaitSeconds, 30.0, 300.0, usual),
        both("capacity", Metric::CapacityShare, 0.80, 0.90, patient),
        // A month is enough to buy more; a week is what it takes to move.
        both("capacity-forecast", Metric::CapacityDaysLeft, 30.0, 7.0, at_once),
        // A breaker that opens says that a service is away; one that stays open is critical because it lasts.
        rule("breakers", Metric::BreakersOpen, (1.0, None), breaker),
    ]
}

/// What is promised: fewer than one request in a thousand fails, and of a hundred 95 take less than 100 ms and 99 less than
/// 500 ms.
pub fn default_objectives() -> Vec<Objective> {
    let objective =
        |name, promise, target| Objective::new(name, promise, target).expect("a test makes them all");
    let within = |milliseconds| Promise::Within(std::time::Duration::from_millis(milliseconds));
    vec![
        objective("availability", Promise::Answered, 0.999),
        objective("latency-100ms", within(100), 0.95),
        objective("latency-500ms", within(500), 0.99),
    ]
}

fn both(key: &str, metric: Metric, warning: f64, critical: f64, timing: Timing) -> Rule {
    rule(key, metric, (warning, Some(critical)), timing)
}

fn rule(key: &str, metric: Metric, thresholds: (f64, Option<f64>), timing: Timing) -> Rule {
    let (warning, critical) = thresholds;
    Rule::new(key, metric, Some(warning), critical, timing).expect("a test makes them all")
}
