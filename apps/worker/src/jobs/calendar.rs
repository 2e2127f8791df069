use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, CronPattern};
use fairlead_domain::jobs::{BadTiming, Calendar, Timing};
use time::OffsetDateTime;

/// What names more times of day is taken for what recurs within the hour: each is looked for by itself.
const MOST_TIMES: usize = 24;

/// The calendar of the zones of the IANA database, as this program was built with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZonedCalendar;

impl Calendar for ZonedCalendar {
    fn next(&self, timing: &Timing, after: OffsetDateTime) -> Result<OffsetDateTime, BadTiming> {
        let zone: Tz = timing.time_zone.parse().map_err(|_| BadTiming::TimeZone)?;
        // Schedules fire on whole seconds.
        let after: DateTime<Tz> = zone
            .timestamp_opt(after.unix_timestamp(), 0)
            .single()
            .ok_or(BadTiming::Never)?;
        let cron = parse(&timing.cron)?;
        let times = times_of_day(&cron, &timing.cron);
        let next = if times.is_empty() {
            next(&cron, &after)?
        } else {
            let each = times.iter().map(|time| next(&parse(time)?, &after));
            let nexts: Vec<i64> = each.collect::<Result<_, _>>()?;
            nexts.into_iter().min().ok_or(BadTiming::Never)?
        };
        OffsetDateTime::from_unix_timestamp(next).map_err(|_| BadTiming::Never)
    }
}

fn parse(cron: &str) -> Result<Cron, BadTiming> {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(cron)
        .map_err(|error| bad(&error))
}

/// Says what is wrong in our words where the library speaks of itself, in its own where it names the field.
fn bad(error: &CronError) -> BadTiming {
    BadTiming::Cron(match error {
        CronError::EmptyPattern => "it is empty".to_owned(),
        CronError::InvalidPattern(_) => "there are more fields, or fewer".to_owned(),
        CronError::InvalidDate | CronError::InvalidTime | CronError::TimeSearchLimitExceeded => {
            "there is no such moment".to_owned()
        }
        CronError::IllegalCharacters(why) | CronError::ComponentError(why) => {
            why.trim_end_matches('.').to_owned()
        }
    })
}

fn next(cron: &Cron, after: &DateTime<Tz>) -> Result<i64, BadTiming> {
    match cron.find_next_occurrence(after, false) {
        Ok(next) => Ok(next.timestamp()),
        Err(CronError::TimeSearchLimitExceeded) => Err(BadTiming::Never),
        Err(error) => Err(bad(&error)),
    }
}

/// Takes apart what names several times of day, `0 2,14 * * *` into `0 2 * * *` and `0 14 * * *`. Where clocks change, the
/// library moves or leaves out only what names one; more it takes for what recurs within the hour. Empty where there is
/// nothing to take apart.
fn times_of_day(cron: &Cron, text: &str) -> Vec<String> {
    let CronPattern {
        seconds,
        minutes,
        hours,
        ..
    } = &cron.pattern;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let recurs = [seconds, minutes, hours].iter().any(|field| field.from_wildcard);
    let (seconds, minutes, hours) = (seconds.values(), minutes.values(), hours.values());
    let count = seconds.len() * minutes.len() * hours.len();
    if recurs || !(2..=MOST_TIMES).contains(&count) || fields.len() < 5 {
        return Vec::new();
    }
    let days = fields[fields.len() - 3..].join(" ");
    let mut times = Vec::with_capacity(count);
    for hour in &hours {
        for minute in &minutes {
            for second in &seconds {
                times.push(format!("{second} {minute} {hour} {days}"));
            }
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;
    use time::macros::datetime;

    use super::*;

    fn moments(cron: &str, zone: &str, after: OffsetDateTime) -> Vec<String> {
        let timing = Timing {
            cron: cron.to_owned(),
            time_zone: zone.to_owned(),
        };
        let moments = ZonedCalendar.preview(&timing, after, 5).unwrap();
        moments
            .iter()
            .map(|moment| moment.format(&Rfc3339).unwrap())
            .collect()
    }

    /// In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
    #[test]
    fn what_lies_in_the_hour_that_is_not_there_is_due_at_its_end() {
        assert_eq!(
            moments("30 2 * * *", "Europe/Berlin", datetime!(2026-03-27 12:00 UTC)),
            [
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z",
                "2026-03-31T00:30:00Z",
                "2026-04-01T00:30:00Z",
            ]
        );
    }

    #[test]
    fn what_lies_in_the_hour_that_comes_twice_is_due_once() {
        assert_eq!(
            moments("30 2 * * *", "Europe/Berlin", datetime!(2026-10-23 12:00 UTC)),
            [
                "2026-10-24T00:30:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
                "2026-10-27T01:30:00Z",
                "2026-10-28T01:30:00Z",
            ]
        );
    }

    #[test]
    fn each_of_several_times_of_day_is_due_once_and_none_is_left_out() {
        assert_eq!(
            moments("0 2,14 * * *", "Europe/Berlin", datetime!(2026-03-28 12:00 UTC))[..4],
            [
                "2026-03-28T13:00:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T12:00:00Z",
                "2026-03-30T00:00:00Z",
            ]
        );
        assert_eq!(
            moments("0,30 2 * * *", "Europe/Berlin", datetime!(2026-10-24 12:00 UTC))[..3],
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:00:00Z"
            ]
        );
        assert_eq!(
            moments("15 0 1-3 * * *", "Europe/Berlin", datetime!(2026-10-24 12:00 UTC))[..4],
            [
                "2026-10-24T23:00:15Z",
                "2026-10-25T00:00:15Z",
                "2026-10-25T02:00:15Z",
                "2026-10-26T00:00:15Z",
            ]
        );
    }

    #[test]
    fn what_recurs_within_the_hour_follows_the_hours_that_there_are() {
        assert_eq!(
            moments("*/30 * * * *", "Europe/Berlin", datetime!(2026-10-25 00:15 UTC)),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T02:30:00Z",
            ]
        );
        assert_eq!(
            moments("0 */2 * * *", "America/New_York", datetime!(2026-03-08 04:30 UTC))[..3],
            [
                "2026-03-08T05:00:00Z",
                "2026-03-08T08:00:00Z",
                "2026-03-08T10:00:00Z"
            ]
        );
    }

    #[test]
    fn seconds_may_stand_in_front() {
        assert_eq!(
            moments("*/20 0 9 * * MON", "UTC", datetime!(2026-11-21 10:00 UTC))[..3],
            [
                "2026-11-23T09:00:00Z",
                "2026-11-23T09:00:20Z",
                "2026-11-23T09:00:40Z"
            ]
        );
    }

    #[test]
    fn what_is_no_timing_is_refused() {
        let next = |cron: &str, time_zone: &str| {
            let timing = Timing {
                cron: cron.to_owned(),
                time_zone: time_zone.to_owned(),
            };
            ZonedCalendar.next(&timing, datetime!(2026-11-21 10:00 UTC))
        };

        assert_eq!(next("0 9 * * *", "Berlin"), Err(BadTiming::TimeZone));
        assert_eq!(next("0 0 30 2 *", "UTC"), Err(BadTiming::Never));
        for cron in ["", "every day", "61 * * * *", "* * * *", "0 0 1 1 1 1 2030"] {
            assert!(matches!(next(cron, "UTC"), Err(BadTiming::Cron(_))), "{cron}");
        }
    }
}
