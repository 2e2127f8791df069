//! Quantities as answers and logs tell them.

use std::time::Duration;

/// In milliseconds, to the microsecond.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285 years, and nobody minds a microsecond after that"
)]
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_digits_behind_the_point() {
        assert_eq!(
            milliseconds(Duration::from_nanos(69_239_531)).to_string(),
            "69.239"
        );
    }
}
