//! What clients that stay have in common, whatever they speak.

use std::ops::RangeInclusive;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use fairlead_domain::access::{Caller, ViewEvents};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::authentication::{self, KeptCredential, Standing};
use crate::state::Services;

/// Whether the credential still counts is asked so often: a session that ends anywhere ends its streams within 5 s.
pub(in crate::routes) const CHECK_EVERY: Duration = Duration::from_secs(3);
/// Events that are there already are sent together up to so many bytes.
pub(in crate::routes) const CHUNK: usize = 32 << 10;
/// How long a client waits before it comes back, in milliseconds: not all of them as long, who are sent away together.
const RETRY_MS: RangeInclusive<u32> = 500..=3_000;

/// What is not found out by then is not known: whose credential counts unasked is told so long before.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// Whether a client may still follow events.
pub(in crate::routes) async fn still_may(credential: &KeptCredential, services: &Services) -> Standing {
    still_may_so(credential, services, |caller| {
        caller.permit::<ViewEvents>().is_ok()
    })
    .await
}

/// Likewise, where something else tells what a caller may.
pub(in crate::routes) async fn still_may_so(
    credential: &KeptCredential,
    services: &Services,
    may: impl FnOnce(&Caller) -> bool,
) -> Standing {
    let check = authentication::still_may(credential, services, may);
    timeout(CHECK_LIMIT, check).await.unwrap_or(Standing::Unknown)
}

/// Likewise, of an operator.
pub(in crate::routes) async fn still_operates(credential: &KeptCredential, services: &Services) -> Standing {
    let check = authentication::still_operates(credential, services);
    timeout(CHECK_LIMIT, check).await.unwrap_or(Standing::Unknown)
}

/// When to check a client.
pub(in crate::routes) fn ticks() -> Interval {
    let mut ticks = interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// When to come back, for one client.
pub(in crate::routes) fn retry_ms() -> u32 {
    rand::random_range(RETRY_MS)
}

/// The same, as an event stream says it.
pub(in crate::routes) fn retry() -> String {
    format!("retry: {}\n", retry_ms())
}

/// How the answer begins that an event stream is.
pub(in crate::routes) fn event_stream() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would gather what should go out at once.
        .insert_header(("x-accel-buffering", "no"))
        // Who comes back is to come by a new connection, which a balancer sends to a process that stays.
        .force_close();
    answer
}
