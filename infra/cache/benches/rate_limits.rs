//! What it costs to decide whether a request may pass: `cargo bench -p fairlead-cache`.

#![expect(clippy::print_stdout, reason = "what was measured")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use fairlead_cache::{RateLimitSettings, SharedSettings, TieredRateLimiter};
use fairlead_domain::rate_limits::{LimitKey, Quota, Quotas, RateLimiter, Verdict};

/// Few enough to be made while nobody else has the processor.
const DECISIONS: u32 = 50_000;
const ROUNDS: u32 = 200;
/// So many that nothing is refused.
const PLENTY: u32 = 1_000_000_000;
const CAPACITY: usize = 65_536;

fn limiter(requests: u32, shared: Option<SharedSettings>) -> TieredRateLimiter {
    let quota = Quota::new(requests, Duration::from_mins(1));
    TieredRateLimiter::start(&RateLimitSettings {
        quotas: Quotas::new(|_| quota),
        capacity: CAPACITY,
        shared,
    })
    .expect("the settings are sound")
}

fn key(number: u32) -> LimitKey {
    LimitKey::address(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

fn pretender(number: u32) -> LimitKey {
    LimitKey::operator_attempts(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

/// The fastest of many rounds: others on the machine only ever make it slower.
fn measure(what: &str, decide: impl Fn(u32)) {
    let round = |round: u32| {
        let started = Instant::now();
        for number in 0..DECISIONS {
            decide(black_box(round * DECISIONS + number));
        }
        started.elapsed()
    };
    let fastest = (0..ROUNDS).map(round).min().unwrap_or_default();
    let nanos = fastest.as_secs_f64() * 1e9 / f64::from(DECISIONS);
    println!("{nanos:7.1} ns  {what}");
}

fn main() {
    let at = Instant::now();
    let plenty = limiter(PLENTY, None);
    measure("one key", |_| {
        black_box(plenty.take(key(7), at));
    });
    measure("a request: its address and another limit", |_| {
        black_box(plenty.take(key(7), at));
        black_box(plenty.take(pretender(7), at));
    });
    measure("taken and given back", |_| {
        black_box(plenty.take(key(7), at));
        plenty.give_back(key(7));
    });
    let many = limiter(PLENTY, None);
    measure("one of 30,000 keys", |number| {
        black_box(many.take(key(number.wrapping_mul(2_654_435_761) % 30_000), at));
    });
    measure("a key never seen, while there is no room", |number| {
        black_box(many.take(key(number | 1 << 31), at));
    });
    let scarce = limiter(10, None);
    while !matches!(scarce.take(key(7), at), Verdict::Refused { .. }) {}
    measure("one key, refused", |_| {
        black_box(scarce.take(key(7), at));
    });
    shared(at);
}

/// Nobody answers there: what a request pays is the same, and nothing is settled.
fn shared(at: Instant) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let _inside = runtime.enter();
    let limiter = limiter(PLENTY, Some(SharedSettings::at("redis://127.0.0.1:1")));
    measure("one key, noted for other processes", |_| {
        black_box(limiter.take(key(7), at));
    });
}
