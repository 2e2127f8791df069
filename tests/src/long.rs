use std::time::Duration;

/// How long a soak test soaks in the long form, unless `FAIRLEAD_TEST_SOAK_SECONDS` says otherwise.
const SOAK: Duration = Duration::from_hours(1);

/// How often a fault or soak test does its work: `short` times, or twenty times that in the long form, which
/// `cargo xtask test --long` asks for.
pub fn repetitions(short: usize) -> usize {
    if is_long() { short * 20 } else { short }
}

/// How long a soak test does its work: for a `short` time, or for an hour in the long form.
pub fn soak(short: Duration) -> Duration {
    let asked = variable("FAIRLEAD_TEST_SOAK_SECONDS");
    let asked = asked.map(|seconds| Duration::from_secs(seconds.parse().expect("a number of seconds")));
    let usual = if is_long() { SOAK } else { short };
    asked.unwrap_or(usual)
}

/// Whether this is the long form, in which figures are held to what is promised: on a machine with little else to do.
pub fn is_long() -> bool {
    variable("FAIRLEAD_TEST_LONG").is_some()
}

#[expect(clippy::disallowed_methods, reason = "how the run's owner tells the tests")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
