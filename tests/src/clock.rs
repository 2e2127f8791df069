use std::sync::Mutex;

use fairlead_domain::clock::Clock;
use time::{Duration, OffsetDateTime};

/// A clock that goes on by itself and can be pushed ahead.
#[derive(Debug, Default)]
pub struct TestClock {
    ahead: Mutex<Duration>,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().expect("no test panics here") += by;
    }
}

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "the test's clock follows the system's")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc() + *self.ahead.lock().expect("no test panics here");
        now.replace_nanosecond(now.microsecond() * 1_000)
            .expect("microseconds make valid nanoseconds")
    }
}
