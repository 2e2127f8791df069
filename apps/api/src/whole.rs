use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A whole number in a body. `73.0` is one too: JSON Schema goes by the value, not by how it is written.
///
/// Schemas say `value_type = i64`, with the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(WholeVisitor).map(Self)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        // Printed without a fraction it parses if it is whole and not too large, and then means the same number.
        let whole = if number.fract() == 0.0 {
            format!("{number:.0}").parse().ok()
        } else {
            None
        };
        whole.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        serde_json::from_str::<Whole>(json)
            .ok()
            .map(|Whole(number)| number)
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        assert_eq!(read("73"), Some(73));
        assert_eq!(read("73.0"), Some(73));
        assert_eq!(read("-7.3e1"), Some(-73));
    }

    #[test]
    fn what_is_not_whole_or_too_large_is_refused() {
        for refused in ["73.5", "1e300", "18446744073709551615", "\"73\"", "null", "true"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
