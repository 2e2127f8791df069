use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// What a cell that is none of them is answered with.
pub(super) const ACCEPTED: &str = "RFC 3339 such as 2026-01-31T09:30:00Z, 2026-01-31, 2026-01-31 09:30, or month/day/year such as 1/31/2026 9:30 AM";

/// Reads a moment as the exports have it: year-month-day or month/day/year, with or without a time and an offset.
///
/// What has no offset is UTC; what has no time is midnight.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let (date, rest) = match text.find(['T', ' ', ',']) {
        Some(end) => (&text[..end], text[end..].trim_start_matches(['T', ' ', ','])),
        None => (text, ""),
    };
    let date = parse_date(date)?;
    if rest.is_empty() {
        return Some(date.midnight().assume_utc());
    }
    let (time, offset) = parse_offset(rest)?;
    date.with_time(parse_time(time)?)
        .assume_offset(offset)
        .checked_to_offset(UtcOffset::UTC)
}

fn parse_date(text: &str) -> Option<Date> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if first.len() == 4 {
        (number(first)?, second, third)
    } else if separator == '/' {
        let year = number(third)?;
        let century = if third.len() == 2 { 2000 } else { 0 };
        (century + year, first, second)
    } else {
        return None;
    };
    let month = Month::try_from(u8::try_from(number(month)?).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(number(day)?).ok()?).ok()?;
    // Before that there was no system to export from: a cell such as 0000-00-00 or 1/1/0001 means nothing.
    (date.year() >= 1970).then_some(date)
}

/// Parts a time from its offset: `Z`, `UTC`, `+02:00`, `+0000`, or none.
fn parse_offset(text: &str) -> Option<(&str, UtcOffset)> {
    if let Some(time) = ["Z", "z", "UTC", "GMT"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
    {
        return Some((time.trim_end(), UtcOffset::UTC));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, UtcOffset::UTC));
    };
    let digits: String = text[at + 1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    let minutes = i32::from(number(&digits[..2])?) * 60 + i32::from(number(&digits[2..])?);
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    Some((
        text[..at].trim_end(),
        UtcOffset::from_whole_seconds(sign * minutes * 60).ok()?,
    ))
}

fn parse_time(text: &str) -> Option<Time> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(clock), _) => (clock.trim_end(), Some(0)),
        (_, Some(clock)) => (clock.trim_end(), Some(12)),
        _ => (upper.as_str(), None),
    };
    let mut parts = clock.split(':');
    let hour = u8::try_from(number(parts.next()?)?).ok()?;
    let minute = u8::try_from(number(parts.next()?)?).ok()?;
    let (second, microsecond) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            (u8::try_from(number(second)?).ok()?, microseconds(fraction)?)
        }
    };
    let hour = match half {
        None => hour,
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    Time::from_hms_micro(hour, minute, second, microsecond).ok()
}

/// Reads the digits behind the point; more than six are cut.
fn microseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

/// Reads 1 to 4 digits and nothing else: no sign, no space.
fn number(text: &str) -> Option<u16> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}
