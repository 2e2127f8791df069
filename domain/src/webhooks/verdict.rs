use std::time::Duration as StdDuration;

use time::{Duration, OffsetDateTime};

use super::{Answer, Delivery};
use crate::jobs::Retry;

/// For how long a delivery is tried. The last attempt is made when this is over.
pub const TRIED_FOR: Duration = Duration::hours(24);

/// Far more attempts than a day has room for: whoever gets there fails for reasons of ours, and is a dead letter. With
/// pauses of two hours that is after about five days.
const MOST_ATTEMPTS: u32 = 100;

/// With the same pauses, and attempts for longer than the time: each attempt looks at that.
pub(super) fn for_a_time(retry: Retry) -> Retry {
    Retry {
        attempts: MOST_ATTEMPTS,
        ..retry
    }
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered(Answer),
    /// The receiver has not answered.
    Silent,
    /// It was not asked, or the network was not ours to use: nothing is known of the receiver.
    OurTrouble,
}

impl Outcome {
    pub(super) fn answer(self) -> Option<Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Silent | Self::OurTrouble => None,
        }
    }
}

/// How much of the time up to an attempt that began at `at` the receiver had no part in: where this one was trouble of
/// ours, all since the one before.
pub(super) fn held_up(delivery: &Delivery, outcome: Outcome, at: OffsetDateTime) -> Duration {
    if outcome != Outcome::OurTrouble {
        return Duration::ZERO;
    }
    let last = delivery
        .last
        .as_ref()
        .map_or(delivery.tried_since, |last| last.at);
    (at - last.max(delivery.tried_since)).max(Duration::ZERO)
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded,
    /// It is tried again after a while.
    Again(StdDuration),
    GivenUp,
    /// The receiver wants nothing any more.
    Gone,
}

/// Judges an attempt. A failure is tried again after `pause`, or later where the receiver says so, though not later than
/// `longest`; trouble of ours takes nothing from the time that the receiver has.
pub(super) fn judge(
    delivery: &Delivery,
    outcome: Outcome,
    pause: StdDuration,
    longest: StdDuration,
    now: OffsetDateTime,
) -> Verdict {
    match outcome {
        Outcome::Answered(answer) if answer.is_success() => return Verdict::Succeeded,
        Outcome::Answered(Answer { status: 410, .. }) => return Verdict::Gone,
        Outcome::OurTrouble if !delivery.is_ping() => return Verdict::Again(pause),
        _ => {}
    }
    let left = delivery.tried_since + TRIED_FOR - now;
    if delivery.is_ping() || !left.is_positive() {
        return Verdict::GivenUp;
    }
    let asked = outcome.answer().and_then(|answer| answer.retry_after);
    let asked = asked.unwrap_or_default();
    Verdict::Again(asked.min(longest).max(pause).min(left.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::Id;
    use crate::webhooks::{Attempt, DeliveryState, PING};

    const START: OffsetDateTime = datetime!(2026-11-22 10:00:00 UTC);
    const PAUSE: StdDuration = StdDuration::from_mins(1);
    const LONGEST: StdDuration = StdDuration::from_hours(2);

    fn delivery(event_type: &str) -> Delivery {
        Delivery {
            id: Id::from_uuid(Uuid::nil()),
            webhook: Id::from_uuid(Uuid::nil()),
            event: Uuid::nil(),
            event_type: event_type.to_owned(),
            replay: None,
            state: DeliveryState::Pending { next_at: START },
            attempts: 0,
            last: None,
            tried_since: START,
            failing_since: None,
            created_at: START,
        }
    }

    fn judged(status: u16, retry_after: Option<u64>, after: Duration) -> Verdict {
        let answer = Answer {
            status,
            retry_after: retry_after.map(StdDuration::from_secs),
        };
        judge(
            &delivery("lead_created"),
            Outcome::Answered(answer),
            PAUSE,
            LONGEST,
            START + after,
        )
    }

    #[test]
    fn what_is_taken_is_done_and_what_is_gone_is_over() {
        for status in [200, 202, 204, 299] {
            assert_eq!(judged(status, None, Duration::ZERO), Verdict::Succeeded);
        }
        assert_eq!(judged(410, None, Duration::ZERO), Verdict::Gone);
    }

    #[test]
    fn a_failure_comes_again_after_its_pause_or_when_the_receiver_says_but_within_bounds() {
        let after = |seconds| Verdict::Again(StdDuration::from_secs(seconds));

        for status in [199, 301, 307, 400, 404, 429, 500, 503] {
            assert_eq!(judged(status, None, Duration::ZERO), after(60), "{status}");
        }
        assert_eq!(judged(429, Some(600), Duration::ZERO), after(600));
        assert_eq!(judged(503, Some(1), Duration::ZERO), after(60));
        assert_eq!(judged(503, Some(1_000_000), Duration::ZERO), after(7200));
        let silent = judge(&delivery("lead_created"), Outcome::Silent, PAUSE, LONGEST, START);
        assert_eq!(silent, after(60));
    }

    #[test]
    fn the_last_attempt_is_made_when_the_time_is_over() {
        let almost = TRIED_FOR - Duration::seconds(10);

        assert_eq!(
            judged(500, Some(3600), almost),
            Verdict::Again(StdDuration::from_secs(10))
        );
        assert_eq!(judged(500, None, TRIED_FOR), Verdict::GivenUp);
        assert_eq!(judged(200, None, TRIED_FOR * 2), Verdict::Succeeded);
    }

    #[test]
    fn pauses_stay_long_however_often_it_was_tried() {
        let retry = for_a_time(Retry {
            attempts: 2,
            first: StdDuration::from_secs(5),
            most: LONGEST,
        });

        for attempt in [12, 27, MOST_ATTEMPTS - 1] {
            let pause = retry.after(attempt, Uuid::nil()).unwrap();
            assert!(pause >= LONGEST / 3, "{attempt}: {pause:?}");
        }
    }

    #[test]
    fn a_ping_is_tried_once() {
        assert_eq!(
            judge(&delivery(PING), Outcome::Silent, PAUSE, LONGEST, START),
            Verdict::GivenUp
        );
        assert_eq!(
            judge(&delivery(PING), Outcome::OurTrouble, PAUSE, LONGEST, START),
            Verdict::GivenUp
        );
    }

    #[test]
    fn trouble_of_ours_takes_nothing_from_the_day_that_a_receiver_has() {
        let mut delivery = delivery("lead_created");
        let mut attempt = |outcome, hour| {
            let at = START + Duration::hours(hour);
            delivery.tried_since += held_up(&delivery, outcome, at);
            delivery.last = Some(Attempt {
                at,
                status: None,
                took: StdDuration::ZERO,
                fault: None,
            });
            judge(&delivery, outcome, PAUSE, LONGEST, at)
        };

        // Names could not be looked up for three days.
        for hour in 0..=72 {
            assert_eq!(
                attempt(Outcome::OurTrouble, hour),
                Verdict::Again(PAUSE),
                "{hour}"
            );
        }
        for hour in 73..=80 {
            assert_eq!(attempt(Outcome::Silent, hour), Verdict::Again(PAUSE), "{hour}");
        }
        for hour in 81..=90 {
            assert_eq!(
                attempt(Outcome::OurTrouble, hour),
                Verdict::Again(PAUSE),
                "{hour}"
            );
        }
        for hour in 91..=105 {
            assert_eq!(attempt(Outcome::Silent, hour), Verdict::Again(PAUSE), "{hour}");
        }
        // Eight hours of its own, and sixteen.
        assert_eq!(attempt(Outcome::Silent, 106), Verdict::GivenUp);
    }
}
