use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a test waits for what is about to happen.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` holds, and fails when that takes too long; `what` says what was waited for.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain until {what}",
            PATIENCE.as_secs()
        );
        sleep(LOOK_EVERY).await;
    }
}
