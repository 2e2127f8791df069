//! How often clients may ask.

mod addresses;
mod callers;
mod plans;
mod sharing;

use std::time::Duration;

use support::{Client, Response, TestApp};

/// What is used up in a test stays so.
const WINDOW: Duration = Duration::from_hours(1);
const LIST: &str = "/api/v1/leads";

/// A server that refuses what is too much, and limits nothing but what `limit` says.
async fn limited(limit: impl FnOnce(&mut fairlead::config::RateLimitsConfig)) -> TestApp {
    TestApp::start_with(|config| {
        let limits = &mut config.rate_limits;
        limits.shadow = false;
        limits.window = WINDOW;
        (limits.address, limits.tenant, limits.api_key) = (0, 0, 0);
        for requests in limits.operations.values_mut() {
            *requests = 0;
        }
        limit(limits);
    })
    .await
}

/// How many of so many requests pass.
async fn passing(client: &Client, path: &str, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        let response = client.get(path).await;
        if response.status == 429 {
            assert_eq!(response.problem(), "rate-limited");
        } else {
            passed += 1;
        }
    }
    passed
}

/// The limit that an answer says is tightest, and what is left of it.
#[track_caller]
fn left(response: &Response) -> (String, u32) {
    let value = response.header("ratelimit").expect("it says what is left");
    let (name, rest) = value.split_once(";r=").expect(value);
    let (remaining, _) = rest.split_once(";t=").expect(value);
    (name.trim_matches('"').to_owned(), remaining.parse().expect(value))
}
