//! Spans of time as people write them.

use time::Duration;

/// Reads `90d`, `12h`, `30m`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let fault = || "must be a number and a unit: 90d, 12h or 30m".to_owned();
    let (number, seconds) = [("d", 86_400), ("h", 3600), ("m", 60)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(fault)?;
    let number: i64 = number.parse().map_err(|_| fault())?;
    match number.checked_mul(seconds) {
        Some(seconds) if (60..=10 * 366 * 86_400).contains(&seconds) => Ok(Duration::seconds(seconds)),
        _ => Err("must be from 1m to ten years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(parse("90d"), Ok(Duration::days(90)));
        assert_eq!(parse("12h"), Ok(Duration::hours(12)));
        assert_eq!(parse("1m"), Ok(Duration::minutes(1)));
        for wrong in ["", "d", "12", "0d", "-1d", "1w", "9999999999999999d", "4000d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
