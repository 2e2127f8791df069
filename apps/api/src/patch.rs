//! Partial updates: an absent field is kept, a given one is set, and `null` is a value like any other.
//!
//! ```text
//! #[serde(default, deserialize_with = "patch::given")]
//! #[schema(value_type = String, min_length = 1)]     // `Option<String>` where `null` empties the field
//! name: Change<String>,
//! ```

use fairlead_domain::field::Change;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;

use crate::moment;

/// Reads a field that is there.
pub fn given<'de, T, D>(deserializer: D) -> Result<Change<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Change::Set)
}

/// Reads a moment that is there, by RFC 3339.
pub fn moment<'de, D>(deserializer: D) -> Result<Change<OffsetDateTime>, D::Error>
where
    D: Deserializer<'de>,
{
    moment::required(deserializer).map(Change::Set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "given")]
        name: Change<String>,
        #[serde(default, deserialize_with = "given")]
        phone: Change<Option<String>>,
    }

    fn read(body: &str) -> Result<Body, serde_json::Error> {
        serde_json::from_str(body)
    }

    #[test]
    fn absent_null_and_given_are_three_things() {
        let body = read(r#"{"phone": null}"#).unwrap();
        assert_eq!((body.name, body.phone), (Change::Keep, Change::Set(None)));

        let body = read(r#"{"name": "a", "phone": "b"}"#).unwrap();
        assert_eq!(
            (body.name, body.phone),
            (Change::Set("a".to_owned()), Change::Set(Some("b".to_owned())))
        );

        assert!(read(r#"{"name": null}"#).is_err());
    }
}
